"""Before and after a change of the engine: are the predictions of a fixed list of studies the same, bit for bit?

    python tests/golden/same_predictions.py record before.json      # in the checkout before the change
    python tests/golden/same_predictions.py check before.json       # in the checkout after it, on the same machine

Each study is run by the ``bench`` of this interpreter's environment with one thread, in a folder of its own, and is
known by the SHA-256 of the probabilities that its units predict. Ray and a run that was killed amid its training must
give what an undisturbed run gives. ``--only WORD`` takes the studies whose name contains the word; studies whose data
is not at hand are left out. Bits are the same on one machine and one set of libraries only, so no table is kept.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

HEAD = (
    "mean_pool",
    "max_pool",
    "abmil",
    "gated_abmil",
    "abmilx_head",
    "clam_sb",
    "clam_mb",
    "dsmil",
    "transmil",
    "dtfd",
)
SHORT = ("--fold", "0", "--set", "epochs=3")
TILES = {
    "abmilx": ("epochs=1",),
    "icmil": ("epochs=1", "warm_epochs=1"),
    "dre_slcl": ("epochs=1", "warm_epochs=1", "finetune_epochs=1"),
    "msamil": ("epochs=1", "seg_epochs=1"),
}
SURVIVAL = "survival"


def studies(folder: Path) -> dict[str, tuple[str, ...]]:
    """Name → words behind ``bench run``. Studies that need a dataset of their own make it in ``folder``."""
    followed = _survival_dataset(folder)
    found = {f"{method} musk1": ("--method", method, "--dataset", "musk1", *SHORT) for method in HEAD}
    found |= {
        f"{method} camelyon16-mini": (
            *("--method", method, "--dataset", "camelyon16-mini"),
            *(word for setting in settings for word in ("--set", setting)),
        )
        for method, settings in TILES.items()
    }
    if (Path(os.environ.get("BENCH_DATA", "")) / "colon-nuclei").is_dir():
        found["abmil colon-nuclei"] = (
            "--method",
            "abmil",
            "--dataset",
            "colon-nuclei",
            "--fold",
            "0",
            "--set",
            "epochs=1",
        )
    found |= {
        f"{method} survival": ("--method", method, "--dataset", str(followed), "--set", "epochs=3")
        for method in ("mean_pool", "abmil", "transmil", "abmilx_head")
    }
    tuned = (
        "--method",
        "abmil",
        "--dataset",
        "musk1",
        "--fold",
        "0",
        "--fold",
        "1",
        "--trials",
        "3",
        "--set",
        "epochs=3",
    )
    found["tuned"] = tuned
    found["tuned, pruned"] = (*tuned, "--tune-folds", "3", "--prune", "halving", "--tune-sampler", "random")
    found["epoch on test"] = ("--method", "abmil", "--dataset", "musk1", "--protocol", "cv5x10-on-test", *SHORT)
    found["long"] = ("--method", "gated_abmil", "--dataset", "musk1", "--fold", "0", "--set", "epochs=40")
    found["ray: tuned"] = (*tuned, "--launcher", "ray", "--cpus-per-unit", "1")
    found["killed: long"] = found["long"]
    return found


def run(name: str, words: tuple[str, ...], out: Path, cache: Path) -> str:
    """SHA-256 over the test predictions of all units of a study."""
    bench = Path(sys.executable).with_name("bench")
    command = [str(bench), "run", *words, "--out", str(out), "--cache", str(cache)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if name.startswith("killed: "):
        _kill_amid_training(command, environment, out)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return digest(out)


def digest(out: Path) -> str:
    """SHA-256 over slides and numbers of every unit's predictions, in the order of repeat, fold and seed."""
    tables = [pd.read_parquet(path) for path in out.glob("units/*/predictions.parquet")]
    if not tables:
        raise SystemExit(f"no predictions in {out}")
    table = pd.concat(tables).sort_values(["repeat", "fold", "seed", "slide"])
    numbers = [name for name in table if name.startswith("p_") or name == "risk"]
    rows = "\n".join(table["slide"].astype(str)).encode()
    return hashlib.sha256(rows + np.ascontiguousarray(table[numbers].to_numpy(np.float64)).tobytes()).hexdigest()


def _kill_amid_training(command: list[str], environment: dict[str, str], out: Path) -> None:
    """Start, and kill the whole process group with -9 when the first checkpoint is there."""
    with subprocess.Popen(
        command, env=environment, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        while process.poll() is None and not any(out.glob("units/*/work/**/*.pt")):
            time.sleep(0.05)
        if process.poll() is not None:
            raise SystemExit("the study ended before it could be killed")
        os.killpg(process.pid, signal.SIGKILL)


def _survival_dataset(folder: Path) -> Path:
    """Sixty patients whose hazard grows with the first feature; one bag of eight tiles each."""
    rng = np.random.default_rng(3)
    n, tiles, dim = 60, 8, 12
    risk = rng.normal(size=n)
    x = rng.normal(size=(n * tiles, dim)).astype(np.float32)
    x[:, 0] += np.repeat(risk, tiles)
    time_, censoring = rng.exponential(np.exp(-risk)), rng.exponential(2, n)
    home = folder / SURVIVAL
    (home / "splits").mkdir(parents=True)
    np.savez(home / "features.npz", X=x, bag=np.repeat(np.arange(1, n + 1), tiles), y=(time_ <= censoring).astype(int))
    seen = np.minimum(time_, censoring) + 0.01
    rows = [f"{SURVIVAL}_{k + 1:03d},p{k:03d},{seen[k]:.6f},{int(time_[k] <= censoring[k])}" for k in range(n)]
    (home / "labels.csv").write_text("slide,patient,time,event\n" + "\n".join(rows) + "\n")
    parts = ("train", "train", "train", "val", "test")
    lines = [f"0,{fold},{SURVIVAL}_{k + 1:03d},{parts[(k + fold) % 5]}" for fold in range(2) for k in range(n)]
    (home / "splits" / "cv.csv").write_text("repeat,fold,slide,part\n" + "\n".join(lines) + "\n")
    card = {
        "name": SURVIVAL,
        "title": "Drawn follow-up",
        "description": "Drawn.",
        "licence": "CC0",
        "get": "It is here.",
        "task": "survival",
        "counts": {"slides": n},
        "source": {"kind": "features", "file": "features.npz", "dim": dim},
        "protocols": {"cv": {"title": "cv", "splits": "splits/cv.csv"}},
        "default_protocol": "cv",
        "inputs": [{"kind": "features"}],
    }
    (home / "card.yaml").write_text(json.dumps(card))
    return home


def main() -> None:
    """Record the table of digests, or compare with one."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=("record", "check"))
    parser.add_argument("table", type=Path)
    parser.add_argument("--only", default="", help="studies whose name contains this")
    parser.add_argument("--cache", type=Path, help="folder of drawn slides and features to use again")
    words = parser.parse_args()
    before = json.loads(words.table.read_text()) if words.what == "check" else {}
    found: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, study in studies(folder).items():
            if words.only not in name:
                continue
            found[name] = run(name, study, folder / name.replace(" ", "-"), words.cache or folder / "cache")
            state = "" if words.what == "record" else "same" if before.get(name) == found[name] else "DIFFERS"
            print(f"{found[name][:16]}  {name}  {state}", flush=True)
    for disturbed, calm in (("ray: tuned", "tuned"), ("killed: long", "long")):
        if disturbed in found and calm in found and found[disturbed] != found[calm]:
            raise SystemExit(f"{disturbed!r} differs from {calm!r}")
    if words.what == "record":
        words.table.write_text(json.dumps(found, indent=1) + "\n")
    elif differing := [name for name, value in found.items() if before.get(name) != value]:
        raise SystemExit(f"{len(differing)} studies differ: {', '.join(differing)}")


if __name__ == "__main__":
    main()
