"""Packing a folder of features against copying its bytes, reading bags against ``.pt`` files, and a fold's peak memory.

    pytest -s tests/benchmarks/test_feature_folder.py

The size of the cohort is set with BENCH_SLIDES (60) and BENCH_TILES (3000); the files have 1,024 columns of float32.
Both passes end with the bytes on the disk; they take turns BENCH_ROUNDS times (4). The median of the ratios counts:
other work on the machine slows both. Processor time is told, too.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from harness.features.declared import Declared
from harness.features.formats.detect import detect
from harness.features.packing import Packing

SLIDES, TILES, WIDTH = int(os.environ.get("BENCH_SLIDES", "60")), int(os.environ.get("BENCH_TILES", "3000")), 1024
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "4"))
NAMES = [f"slide_{number:05d}" for number in range(SLIDES)]


def write(path: Path, rows: np.ndarray, kind: str) -> None:
    if kind == "clam":
        torch.save(torch.from_numpy(rows), path.with_suffix(".pt"))
        return
    with h5py.File(path.with_suffix(".h5"), "w") as file:
        one_row = {"chunks": (1, WIDTH), "maxshape": (None, WIDTH)} if kind == "trident" else {}
        file.create_dataset("features", data=rows, **one_row)
        file["coords"] = np.arange(2 * len(rows)).reshape(-1, 2)
        file["coords"].attrs["patch_size_level0"] = 512


def synced(command) -> np.ndarray:
    """Wall and processor seconds."""
    os.sync()
    started = np.array([time.perf_counter(), time.process_time()])
    command()
    os.sync()
    return np.array([time.perf_counter(), time.process_time()]) - started


@pytest.fixture(scope="module", params=["trident", "contiguous", "clam"])
def cohort(request, tmp_path_factory) -> tuple[str, Path]:
    place = tmp_path_factory.mktemp(request.param)
    folder = place / ("pt_files" if request.param == "clam" else "features")
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in NAMES:
        write(folder / name, rng.standard_normal((TILES, WIDTH), np.float32), request.param)
    os.sync()
    yield request.param, folder
    shutil.rmtree(place)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_packing_takes_at_most_twice_a_copy(cohort: tuple[str, Path], dtype: str) -> None:
    kind, folder = cohort
    found = detect(folder)
    files = {file.slide: file for file in found.files}
    copy, packed = folder.parent / "copy", folder.parent / dtype
    packing = Packing(found, files, Declared(), dtype, os.cpu_count() or 1)
    seconds: dict[str, list[np.ndarray]] = {"copy": [], dtype: []}
    for _ in range(ROUNDS):
        seconds["copy"].append(synced(lambda: shutil.copytree(folder, copy)))
        shutil.rmtree(copy)
        seconds[dtype].append(synced(lambda: packing.run(packed)))
        shutil.rmtree(packed)
    size = sum(path.stat().st_size for path in folder.iterdir()) / 1e9
    per_gb = {name: np.median(each, axis=0).round(2) / size for name, each in seconds.items()}
    wall, cpu = np.median(np.array(seconds[dtype]) / np.array(seconds["copy"]), axis=0)
    print(
        f"\n{kind} to {dtype}: {size:.1f} GB; wall and processor seconds per GB {per_gb}; ratios {wall:.2f}, {cpu:.2f}"
    )
    assert wall < 2


def test_a_bag_is_read_no_slower_than_from_pt(cohort: tuple[str, Path]) -> None:
    from harness.bags.access import FeatureAccess

    kind, folder = cohort
    if kind != "clam":
        pytest.skip("one kind is enough")
    found = detect(folder)
    store = Packing(found, {file.slide: file for file in found.files}, Declared()).run(folder.parent / "float16").store
    bags = FeatureAccess.of_store(store).bags(NAMES)
    for number in range(len(NAMES)):
        bags.read(number)  # both from the page cache, and checked once
    started = time.perf_counter()
    for number in range(len(NAMES)):
        bags.read(number)
    packed = time.perf_counter() - started
    started = time.perf_counter()
    for name in NAMES:
        torch.load(folder / f"{name}.pt", weights_only=True)
    plain = time.perf_counter() - started
    print(f"\nreading all bags: packed {packed:.2f} s, .pt {plain:.2f} s")
    assert packed < 1.2 * plain + 0.1


RUN = """
import resource, sys
from harness.cli.main import main
code = main(sys.argv[1:])
used = [resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
print("PEAK", *used, file=sys.stderr)
sys.exit(code)
"""


def test_a_fold_needs_memory_for_its_bags_and_not_for_the_cohort(cohort: tuple[str, Path]) -> None:
    kind, folder = cohort
    if kind != "clam":
        pytest.skip("one kind is enough")
    place = folder.parent
    lines = [f"{name},{name},{'ab'[number % 2]}" for number, name in enumerate(NAMES)]
    (place / "labels.csv").write_text("\n".join(["slide,patient,label", *lines]) + "\n")
    environment = os.environ | {"BENCH_CACHE": str(place / "cache"), "OMP_NUM_THREADS": "1"}
    words = f"datasets new bench --features {folder} --labels {place}/labels.csv --into {place}/made --folds 3"
    peaks = []
    run = f"run --method abmil --dataset {place}/made/bench --fold 0 --set epochs=1 --out {place}/out"
    for command in (words, run):
        done = subprocess.run(
            [sys.executable, "-c", RUN, *command.split()], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        peaks.append([float(word) for word in done.stderr.rpartition("PEAK")[2].split()])
    print(f"\npeak of new {peaks[0]} MB, of run (and its worker) {peaks[1]} MB")
    assert max(peaks[1]) < 1200 + 40 * TILES * WIDTH * 4 / 2**20
