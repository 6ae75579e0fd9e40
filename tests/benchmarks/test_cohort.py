"""A cohort of ``.pt`` files: import against a copy, a pass over all bags against ``torch.load``, a fold's memory.

    BENCH_SLIDES=2000 pytest -s tests/benchmarks/test_cohort.py

BENCH_SLIDES (60) and BENCH_TILES (3000) set its size: slides with 1,024 columns of float16, 6 MB each. It needs twice
that on the disk, and a third time for the copy. Files are read from the disk and not from the system's cache, as on a
first epoch. Wall and processor time are both told: on a shared machine the latter is what can be compared.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.bags.access import FeatureAccess
from harness.features.store import FeatureStore

SLIDES, TILES, WIDTH = int(os.environ.get("BENCH_SLIDES", "60")), int(os.environ.get("BENCH_TILES", "3000")), 1024
NAMES = [f"slide_{number:05d}" for number in range(SLIDES)]
RUN = """
import resource, sys
from harness.cli.main import main
code = main(sys.argv[1:])
print("PEAK", *(resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))
sys.exit(code)
"""


@dataclass(frozen=True)
class Cost:
    """Of one pass: wall seconds and processor seconds."""

    wall: float
    cpu: float


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("cohort")
    (place / "pt_files").mkdir()
    rng = np.random.default_rng(0)
    for name in NAMES:  # other numbers in each slide: the leak audit would find copies, scaled ones too
        features = rng.random((TILES, WIDTH), np.float32)
        torch.save(torch.from_numpy(features).half(), place / "pt_files" / f"{name}.pt")
    lines = [f"{name},{name},{'ab'[number % 2]}" for number, name in enumerate(NAMES)]
    (place / "labels.csv").write_text("\n".join(["slide,patient,label", *lines]) + "\n")
    yield place
    shutil.rmtree(place)


def forget(*folders: Path) -> None:
    """Have the files on the disk and no longer in the system's cache."""
    os.sync()
    for path in (path for folder in folders for path in folder.rglob("*") if path.is_file()):
        descriptor = os.open(path, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def each(read, names) -> None:
    """Read one after the other, as a training does: none is kept."""
    for name in names:
        read(name)


def load(path: Path) -> torch.Tensor:
    return torch.load(path, weights_only=True).float()


def cost(work, *cold: Path) -> Cost:
    forget(*cold)
    started, before = time.perf_counter(), processor_seconds()
    work()
    os.sync()
    found = Cost(time.perf_counter() - started, processor_seconds() - before)
    print(found, flush=True)
    return found


def processor_seconds() -> float:
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in both)


def bench(place: Path, words: str) -> list[float]:
    """Largest resident size in MB of the command and of its largest child."""
    environment = os.environ | {"BENCH_CACHE": str(place / "cache"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", RUN, *words.split()], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return [float(word) for word in done.stdout.rpartition("PEAK")[2].split()]


def test_a_cohort_is_imported_read_and_trained_on(place: Path) -> None:
    files, said = place / "pt_files", {}
    said["copy"] = cost(lambda: shutil.copytree(files, place / "copy"), files)
    shutil.rmtree(place / "copy")
    new = f"datasets new bench --features {files} --labels {place}/labels.csv --into {place}/made --folds 5"
    peaks = {}
    said["import"] = cost(lambda: peaks.update(new=bench(place, new)), files)
    (manifest,) = (place / "cache").rglob("manifest.json")
    bags = FeatureAccess.of_store(FeatureStore.open(manifest.parent)).bags(NAMES)
    for name in ("packed, looked at", "packed"):
        said[name] = cost(lambda: each(bags.read, range(SLIDES)), manifest.parent)
    said[".pt"] = cost(lambda: each(lambda name: load(files / f"{name}.pt"), NAMES), files)
    run = f"run --method mean_pool --dataset {place}/made/bench --fold 0 --set epochs=1 --out {place}/out"
    said["fold"] = cost(lambda: peaks.update(fold=bench(place, run)), manifest.parent)
    size = sum(path.stat().st_size for path in files.iterdir())
    print(f"\n{SLIDES} slides of {TILES} tiles, {size / 1e9:.1f} GB; seconds of wall and of processor; MB at the peak")
    print(json.dumps({name: [round(one.wall, 1), round(one.cpu, 1)] for name, one in said.items()} | peaks))
    assert said["import"].wall < 2 * said["copy"].wall + 10  # Python and PyTorch are imported, too
    assert said["packed"].cpu < 2 * said[".pt"].cpu  # mapped pages that are not in the cache cost a fault each
