"""The stages: a warm-up where wanted, slide-report contrast, then a linear probe and fine-tuning."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from harness import DataError, Stage, build_encoder
from harness.api import read_npy
from methods.dre_slcl import contrast
from methods.dre_slcl.feed import Feed
from methods.dre_slcl.inference import labels_of, scores_of, slide_vectors
from methods.dre_slcl.network import Backbone, Classifier, ContrastNet, Probe
from methods.dre_slcl.probe import Probing
from methods.dre_slcl.text import encode_reports
from methods.dre_slcl.warm import warm_encoder

if TYPE_CHECKING:
    from harness import BagSource, Run, TileEncoder
    from methods.dre_slcl import DreParams, DreSlcl
    from methods.dre_slcl.sampling import Draw

WARMUP_SHARE = 0.1
"""Warm-up takes at most this share of a stage, however many steps it is set to."""
OCCUPANCY = 0.8
"""Below this share of used codewords the encoder has moved away from its codebook."""


class Reports:
    """Report vectors of some bags, and which of them belong together.

    Args:
        bags: bags with reports.
        params: names the text encoder.
        run: its work folder keeps the vectors, since a large text encoder takes long.
        part: ``train`` or ``val``.
    """

    def __init__(self, bags: BagSource, params: DreParams, run: Run, part: str) -> None:
        if bags.reports is None:
            raise DataError(
                "dre_slcl learns from pathology reports, and these bags have none",
                place=f"{part} slides",
                fix="choose camelyon16-mini, or name a column or text files as `reports` in the dataset's card",
            )
        self.texts = bags.reports
        self.patients = bags.patients or bags.ids
        path = run.workdir / f"reports-{part}.npy"
        if not path.exists():
            vectors = encode_reports(params.text, self.texts, device=run.device, max_tokens=params.text_tokens)
            temporary = path.with_suffix(".tmp.npy")
            np.save(temporary, vectors)
            temporary.replace(path)
        self.vectors = torch.from_numpy(read_npy(path)).to(run.device)

    def of(self, slides: np.ndarray) -> tuple[Tensor, Tensor]:
        """Vectors (B, P) and positives (B, B) of some slides."""
        chosen = [int(slide) for slide in slides]
        positive = contrast.positives([self.patients[k] for k in chosen], [self.texts[k] for k in chosen])
        return self.vectors[chosen], positive.to(self.vectors.device)


def stages(method: DreSlcl, train: BagSource, val: BagSource | None, run: Run) -> Iterator[Stage]:
    """Warm-up, contrast, what ``downstream`` names; the method ends with the backbone and head that are reported."""
    params = method.params
    _check_bags(train)
    reports = Reports(train, params, run, "train")
    encoder = None
    if params.warm_epochs:
        encoder = yield from warm_encoder(params, method.task, train, val, run)
    net = _contrast_net(method, train, reports, run, encoder)
    pretraining = Pretraining(net, Feed("contrast", net.backbone, train, run, params, first=True), reports, val)
    yield pretraining.stage()
    pretraining.finish()
    scores: dict[str, Mapping[str, float]] = {}
    if params.downstream in {"probe", "both"}:
        with run.seeded("init", "probe"):
            probe = Probe(net.backbone.dim, method.task.n_classes).to(run.device)
        probing = Probing(probe, net.backbone, train, val, run, params)
        yield probing.stage()
        method.backbone, method.head = net.backbone, probe
        scores["probe"] = probing.validate() if val is not None else {}
    if params.downstream in {"finetune", "both"}:
        tuned = copy.deepcopy(net.backbone)
        with run.seeded("init", "finetune"):
            projection = copy.deepcopy(net.project) if params.contrast_weight else None
            classifier = Classifier(tuned, method.task.n_classes, projection).to(run.device)
        feed = Feed("finetune", tuned, train, run, params, first=False)
        tuning = Finetuning(classifier, feed, reports, val)
        yield tuning.stage()
        tuning.finish()
        scores["finetune"] = tuning.validate() if val is not None else {}
        if "probe" not in scores or _is_better(scores["finetune"], scores["probe"], run.metric):
            method.backbone, method.head = tuned, classifier.head
    reported = "probe" if isinstance(method.head, Probe) else "finetune"
    facts = {f"{kind}_{name}": value for kind, values in scores.items() for name, value in values.items()}
    run.facts["downstream"] = {"reported": reported, **facts}


def _contrast_net(
    method: DreSlcl, train: BagSource, reports: Reports, run: Run, encoder: TileEncoder | None = None
) -> ContrastNet:
    with run.seeded("init", "contrast"):
        return ContrastNet(build_backbone(method, train, run, encoder), reports.vectors.shape[1]).to(run.device)


def build_backbone(method: DreSlcl, train: BagSource, run: Run, encoder: TileEncoder | None = None) -> Backbone:
    """``encoder``, or one with its initial weights, with an empty codebook and a new refiner."""
    params = method.params
    if encoder is None:
        seed = run.seeds.seed("init", "encoder") % 2**32
        encoder = build_encoder(method.task.encoder, tile_px=train.scales[0].tile_px, seed=seed)
    return Backbone(
        encoder,
        params.codewords,
        layers=params.layers,
        heads=params.heads,
        dropout=params.dropout,
        chunk=params.encode_chunk,
        recompute=params.recompute,
    )


class _Banked:
    """What the two stages that train the encoder share."""

    name: str

    def __init__(self, net: ContrastNet | Classifier, feed: Feed, reports: Reports, val: BagSource | None) -> None:
        self.net = net
        self.feed = feed
        self.reports = reports
        self.val = val
        self.params = feed.params
        self.run = feed.run

    def finish(self) -> None:
        """Note how bank and codebook fared, and delete the bank."""
        facts, rows = self.run.facts[self.name], [row for row in self.run.curve if row["stage"] == self.name]
        for name in ("bank_age", "bank_cosine", "codewords_used"):
            facts[f"last_{name}"] = rows[-1][name]
        facts["codebook_outrun"] = float(rows[-1]["codewords_used"]) < OCCUPANCY
        self.feed.bank.remove()

    def _optimizer(self) -> torch.optim.Optimizer:
        encoder = list(self.net.backbone.encoder.parameters())
        known = {id(p) for p in encoder}
        rest = [p for p in self.net.parameters() if id(p) not in known]
        groups: list[dict[str, Any]] = [{"params": rest}, {"params": encoder, "lr": self.params.encoder_lr}]
        return torch.optim.AdamW(groups, self.params.lr, (0.9, 0.95), weight_decay=self.params.weight_decay)

    def _slide_vectors(self, bags: BagSource) -> Tensor:
        return slide_vectors(self.net.backbone, bags, self.run)


class Pretraining(_Banked):
    """Stage 1: slides and their reports, symmetric InfoNCE over the slides of a batch."""

    name = "contrast"
    net: ContrastNet

    def stage(self) -> Stage:
        """The stage; its last weights are kept, since nothing is known of how to choose an epoch."""
        params, steps = self.params, self.feed.sampler.steps
        return Stage(
            name=self.name,
            module=self.net,
            batches=self.feed.batches,
            steps_per_epoch=steps,
            loss=self.loss,
            optimizers=[self._optimizer()],
            epochs=params.epochs,
            schedule=warmup_cosine(params, params.epochs, steps),
            validate=self.validate if self.val is not None and self.val.reports is not None else None,
            clip_grad_norm=params.clip_grad_norm,
            extra_state=self.feed.bank,
        )

    def loss(self, draw: Draw) -> Mapping[str, Tensor]:
        """The contrast of a batch; afterwards the bank takes in the tiles that were encoded."""
        fed = self.feed.features(draw)
        projected, counts = self.net(fed.features, fed.offsets)
        vectors, positive = self.reports.of(draw.slides)
        loss = contrast.info_nce(projected, vectors, positive, self.params.temperature)
        return {"loss": loss, "codewords_used": _used(counts), **fed.logs, **self.feed.write(draw)}

    def validate(self) -> Mapping[str, float]:
        """Contrast and retrieval over all validation slides at once; in the epochs of a refresh and the last."""
        assert self.val is not None
        if not (self.feed.refresh_due or self.feed.epoch + 1 == self.params.epochs):
            return {}
        projected = self.net.project(self._slide_vectors(self.val))
        vectors, positive = self.val_reports.of(np.arange(len(self.val)))
        loss = contrast.info_nce(projected, vectors, positive, self.params.temperature)
        return {"loss": float(loss), "retrieval": contrast.retrieval(projected, vectors, positive)}

    @cached_property
    def val_reports(self) -> Reports:
        """Reports of the validation slides."""
        assert self.val is not None
        return Reports(self.val, self.params, self.run, "val")


class Finetuning(_Banked):
    """Stage 2 (b): the same sampling and bank, cross-entropy from h instead of the contrast, or beside it."""

    name = "finetune"
    net: Classifier

    def stage(self) -> Stage:
        """The stage; the best epoch on validation slides is kept where the protocol says so."""
        params, steps = self.params, self.feed.sampler.steps
        best = self.run.select == "best" and self.val is not None
        return Stage(
            name=self.name,
            module=self.net,
            batches=self.feed.batches,
            steps_per_epoch=steps,
            loss=self.loss,
            optimizers=[self._optimizer()],
            epochs=params.finetune_epochs,
            schedule=warmup_cosine(params, params.finetune_epochs, steps),
            validate=self.validate if self.val is not None else None,
            select_by=self.run.metric if best else "last",
            clip_grad_norm=params.clip_grad_norm,
            extra_state=self.feed.bank,
        )

    def loss(self, draw: Draw) -> Mapping[str, Tensor]:
        """``CE + λ · contrast``; afterwards the bank takes in the tiles that were encoded."""
        fed = self.feed.features(draw)
        logits, slides, counts = self.net(fed.features, fed.offsets)
        loss = functional.cross_entropy(logits, labels_of(self.feed.train, self.run)[draw.slides.tolist()])
        if self.net.project is not None:
            vectors, positive = self.reports.of(draw.slides)
            pairs = contrast.info_nce(self.net.project(slides), vectors, positive, self.params.temperature)
            loss = loss + self.params.contrast_weight * pairs
        return {"loss": loss, "codewords_used": _used(counts), **fed.logs, **self.feed.write(draw)}

    def validate(self) -> Mapping[str, float]:
        """Scores of the validation slides, from all their tiles."""
        assert self.val is not None
        return scores_of(self.val, self.net.head(self._slide_vectors(self.val)))


def warmup_cosine(params: DreParams, epochs: int, steps: int) -> Callable[[float], float]:
    """Factor on both learning rates: linear warm-up per step, then a cosine down to ``min_lr / lr``."""
    total = max(epochs * steps, 1)
    warmup = min(params.warmup_steps, math.ceil(WARMUP_SHARE * total))
    low = params.min_lr / params.lr

    def factor(progress: float) -> float:
        step = round(progress * steps)
        if step < warmup:
            return (step + 1) / warmup
        share = (step - warmup) / max(total - warmup, 1)
        return low + (1 - low) * 0.5 * (1 + math.cos(math.pi * share))

    return factor


def _check_bags(train: BagSource) -> None:
    if train.kind != "tiles":
        raise DataError("dre_slcl trains its encoder on tiles", place="input.kind", fix="use --set input.kind=tiles")
    for bag, slide in enumerate(train.ids):
        if not train.count(bag):
            raise DataError(f"slide {slide} has no tiles", place="training slides", fix="leave the slide out")


def _used(counts: Tensor) -> Tensor:
    """Share of codewords that some tile of the batch is nearest to."""
    return (counts.sum(0) > 0).float().mean()


def _is_better(one: Mapping[str, float], other: Mapping[str, float], metric: str) -> bool:
    """Whether ``one`` has the better metric, or the same with a smaller loss; without validation neither has."""
    if metric not in one or metric not in other:
        return False
    return (one[metric], -one["loss"]) > (other[metric], -other["loss"])
