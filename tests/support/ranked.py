"""What several ranks do together in the tests, in processes forked from one that has loaded torch."""

from __future__ import annotations

import hashlib
import importlib
import json
import multiprocessing
import os
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from harness import Classification
from harness.accounting.meter import Meter
from harness.api.registry import find_method, list_methods
from harness.bags.feature_source import FeatureBags
from harness.bags.packed import pack
from harness.bags.tile_source import PatchReader, TileBags
from harness.core.seeds import Seeds
from harness.jobs.isolation.parent import die_with_parent
from harness.jobs.isolation.process_group import ProcessGroup
from harness.training.mil_fit import build_network, predict
from harness.training.ranks import ALONE, Ranks, join
from harness.training.run import Run
from harness.training.sync_norm import synchronised
from support.plugins import load_plugin
from support.toy import PLUGIN

FRUGAL = PLUGIN.replace("torch.nn.Dropout(0.25)", "torch.nn.Identity()")
"""The toy method without dropout, whose draws differ between ranks."""


class Host:
    """A process that has loaded all that training needs, and forks the ranks of each question from itself."""

    def __init__(self, folder: Path) -> None:
        self._line, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        self._process = context.Process(target=_serve, args=(theirs, str(folder)))
        self._process.start()
        theirs.close()

    def __call__(self, world: int, what: str, folder: Path, **settings: Any) -> list[dict[str, Any]]:
        """Have ``world`` ranks call ``what`` of this module; what each of them returns, by rank."""
        folder.mkdir(parents=True, exist_ok=True)
        self._line.send_bytes(json.dumps([world, what, str(folder), settings]).encode())
        if not self._line.poll(60):
            raise TimeoutError("the ranks wait for one another")
        self._line.recv_bytes()
        answers = [torch.load(folder / f"answer{rank}.pt", weights_only=True) for rank in range(world)]
        for answer in answers:
            if "trace" in answer:
                raise AssertionError(answer["trace"])
        return answers

    def close(self) -> None:
        """End the process, and whoever it has forked."""
        self._process.kill()
        self._process.join()


def _serve(line: Connection, folder: str) -> None:
    torch.set_num_threads(1)
    fit(ALONE, Path(folder), epochs=1, n_bags=4)  # the first training loads much
    while True:
        request = json.loads(line.recv_bytes())
        pid = os.fork()
        if pid == 0:
            die_with_parent()
            _begin(*request)
        os.waitpid(pid, 0)
        line.send_bytes(b"done")


def _begin(world: int, what: str, folder: str, settings: dict[str, Any]) -> None:
    group = ProcessGroup.start(world, lambda failure: None)
    try:
        ranks = join(group.rank, world, group.port, group.listener, "cpu") if world > 1 else ALONE
        answer = getattr(importlib.import_module(__name__), what)(ranks, Path(folder), **settings)
    except BaseException:
        answer = {"trace": traceback.format_exc()}
    torch.save(answer, Path(folder, f"answer{group.rank}.pt"))
    ranks.gathered("done") if "trace" not in answer else None
    os._exit(0)


def run_of(ranks: Ranks, folder: Path, **settings: Any) -> Run:
    """A run in ``folder``."""
    return Run(
        seeds=Seeds(7),
        device=torch.device("cpu"),
        workdir=folder,
        meter=Meter(devices=ranks.world),
        ranks=ranks,
        checkpoint_seconds=0.0,
        **settings,
    )


def tiles(n_bags: int = 10) -> TileBags:
    """Bags of 5 to 9 patches of 32 pixels; those of positive bags are brighter."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(5, 10, n_bags)
    ends = np.cumsum(sizes)
    patches = rng.integers(60, 120, (ends[-1], 32, 32, 3), dtype=np.uint8)
    ids = [f"b{k}" for k in range(n_bags)]
    for k in range(1, n_bags, 2):
        patches[ends[k] - sizes[k] : ends[k] - 3] += 60
    reader = PatchReader(patches, {name: (int(ends[k] - sizes[k]), int(ends[k])) for k, name in enumerate(ids)})
    return TileBags(ids, (np.arange(n_bags) % 2).astype(np.int64), reader)


def tiny(folder: Path, **params: Any) -> Any:
    """The toy method, end to end."""
    path = folder / "frugal.py"
    if not path.exists():
        temporary = folder / f"frugal-{os.getpid()}"
        temporary.write_text(FRUGAL)
        temporary.replace(path)
    (kind,) = load_plugin(str(path))
    values = {"lr": 0.003, "epochs": 2, "batch_size": 4, "augment": "strong", "optimizer": "sgd"} | params
    return kind(kind.Params.build(values, place="test"), Classification(("negative", "positive"), encoder="conv64"))


def fit(ranks: Ranks, folder: Path, *, stop_after: int = 0, n_bags: int = 10, **params: Any) -> dict[str, Any]:
    """Train the toy method in double precision; weights, curve, predictions."""
    method, run, bags = tiny(folder, **params), run_of(ranks, folder, select="last"), tiles(n_bags)
    slides: list[list[str]] = []
    for stage in method.stages(bags, bags, run):
        stage.module.double()
        loss = stage.loss

        def counted(batch: Any, loss: Any = loss) -> Tensor:
            slides.append(list(batch.bags.ids))
            if stop_after and len(slides) > stop_after:
                raise InterruptedError("stands for the process being killed")
            found: Tensor = loss(batch)
            return found

        stage.loss = counted
        try:
            run.train(stage)
        except InterruptedError:
            return {"slides": slides}
    prediction = method.predict(bags, run)
    return {
        "weights": method.network.state_dict(),
        "curve": [{name: value for name, value in row.items() if name != "stage"} for row in run.curve],
        "probabilities": torch.from_numpy(prediction.probabilities),
        "attention": torch.cat([torch.from_numpy(one) for one in prediction.attention]),
        "slides": slides,
        "files": sorted(path.name for path in folder.glob("train*")),
    }


def normalised(ranks: Ranks, folder: Path, *, rows: list[int]) -> dict[str, Any]:
    """Batch norm over unequal parts of the same rows; with one rank over all of them."""
    torch.manual_seed(0)
    whole = torch.randn(sum(rows), 3, 4, dtype=torch.float64) * 2 + 5
    weight = torch.randn(sum(rows), 3, 4, dtype=torch.float64)
    norm = synchronised(nn.Sequential(nn.BatchNorm1d(3)), ranks, torch.device("cpu")).double()
    first = sum(rows[: ranks.rank]) if ranks.several else 0
    own = slice(first, first + rows[ranks.rank]) if ranks.several else slice(None)
    x = whole[own].clone().requires_grad_()
    y = norm(x)
    (y * weight[own]).square().sum().backward()
    ranks.add_gradients(norm.parameters())
    gradients = {name: value.grad for name, value in norm.named_parameters()}
    norm.eval()
    return {"y": y.detach(), "x": x.grad, "gradients": gradients, "state": norm.state_dict(), "eval": norm(x).detach()}


def gradients(ranks: Ranks, folder: Path) -> dict[str, Any]:
    """Gradients that only some ranks have, of several kinds."""
    everywhere, somewhere, nowhere = (nn.Parameter(torch.zeros(n, dtype=torch.float64)) for n in (3, 2, 4))
    single = nn.Parameter(torch.zeros(2, 2))
    everywhere.grad, single.grad = torch.full_like(everywhere, ranks.rank + 1.0), torch.full_like(single, 2.0)
    if ranks.rank == 1:
        somewhere.grad = torch.tensor([5.0, 7.0], dtype=torch.float64)
    ranks.add_gradients([everywhere, single, somewhere, nowhere])
    return {"grads": [one.grad for one in (everywhere, single, somewhere, nowhere)]}


def astray(ranks: Ranks, folder: Path) -> dict[str, Any]:
    """Ranks that no longer have the same weights."""
    state = {"w": torch.ones(3), "count": torch.tensor(2)}
    ranks.check_alike(state, "epoch", 0)
    try:
        ranks.check_alike({"w": torch.ones(3) + 1e-6 * ranks.rank}, "epoch", 1)
    except Exception as error:
        return {"weights": str(error), "place": error.place}
    return {}


def chunks(ranks: Ranks, folder: Path, *, chunk: int, recompute: bool) -> dict[str, Any]:
    """Unequal numbers of tiles in chunks: all ranks have to make as many passes."""
    method, run = tiny(folder, encode_chunk=chunk, recompute=recompute), run_of(ranks, folder)
    network = build_network(method, tiles(), run).double().train()
    sizes = [31, 7, 12][ranks.rank]
    generator = torch.Generator().manual_seed(ranks.rank)
    bag = torch.randint(0, 255, (sizes, 3, 32, 32), generator=generator).to(torch.uint8)
    network(pack([bag])).logits.sum().backward()
    ranks.add_gradients(network.parameters())
    answer = {name: value.grad for name, value in network.named_parameters()} | network.state_dict()
    return {"found": answer, "predicted": torch.from_numpy(predict(network, tiles(), run).probabilities)}


def every_method(ranks: Ranks, folder: Path) -> dict[str, Any]:
    """One epoch of every built-in method that says it can be parted, on features."""
    rng = np.random.default_rng(1)
    bags = {f"s{k}": rng.normal(k % 2, 1, (int(rng.integers(12, 30)), 8)).astype(np.float32) for k in range(7)}
    source = FeatureBags(list(bags), np.arange(7) % 2, bags.__getitem__, 8)
    trained = []
    for one in list_methods():
        if one.card is None or not (kind := find_method(one.name)).shardable or "features" not in one.card.inputs:
            continue
        small = {"width": 64} if "width" in kind.Params.build({}, place="test").as_dict() else {}
        params = kind.Params.build({"epochs": 1, "batch_size": 4, **small}, place="test")
        (folder / one.name).mkdir(exist_ok=True)
        run = run_of(ranks, folder / one.name)
        method = kind(params, Classification(("negative", "positive")))
        method.fit(source, source, run)
        weights = method.predict(source, run).probabilities.tobytes()
        trained.append([one.name, hashlib.sha256(weights).hexdigest()])
    return {"trained": trained}
