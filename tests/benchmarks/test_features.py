"""Reading bags of features: the packed memory-mapped store beside one ``.npy`` file per slide.

Not part of the test run; start it with ``pytest tests/benchmarks``. Files come from the page cache in both cases, so
this measures the reading itself, not the disk.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from harness.features import FeatureKey, FeatureStore
from harness.features.manifest import Header
from harness.features.writer import FeatureWriter

SLIDES, TILES, DIM, DRAWN = 40, 2000, 512, 128


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[FeatureStore, Path]:
    """The same features as a store and as one file per slide."""
    packed, loose = tmp_path_factory.mktemp("packed"), tmp_path_factory.mktemp("loose")
    rng = np.random.default_rng(0)
    with FeatureWriter(packed, Header(FeatureKey("x", "0" * 64, 0.5, 256), DIM, "float16", "fp32", "0")) as writer:
        for slide in range(SLIDES):
            features = rng.normal(size=(TILES, DIM)).astype(np.float16)
            np.save(loose / f"{slide}.npy", features)
            writer.append(str(slide), features, None, fingerprint="")
        writer.finish()
    return FeatureStore.open(packed), loose


@pytest.mark.parametrize("rows", ["all rows", "128 random rows"])
@pytest.mark.parametrize("way", ["packed store", "npy per slide"])
def test_read_bags(benchmark: BenchmarkFixture, folders: tuple[FeatureStore, Path], way: str, rows: str) -> None:
    store, loose = folders
    drawn = np.random.default_rng(0).permutation(TILES)[:DRAWN] if "random" in rows else slice(None)

    def read() -> float:
        total = 0.0
        for slide in range(SLIDES):
            bag = store.bag(str(slide)) if way == "packed store" else np.load(loose / f"{slide}.npy")
            total += float(np.array(bag[drawn], np.float32)[0, 0])
        return total

    benchmark.group = f"{SLIDES} bags, {rows}, as float32"
    benchmark(read)


@pytest.mark.parametrize("way", ["packed store", "npy per slide"])
def test_count_tiles(benchmark: BenchmarkFixture, folders: tuple[FeatureStore, Path], way: str) -> None:
    store, loose = folders

    def count() -> int:
        if way == "packed store":
            return sum(store.count(str(slide)) for slide in range(SLIDES))
        return sum(len(np.load(loose / f"{slide}.npy", mmap_mode="r")) for slide in range(SLIDES))

    benchmark.group = f"sizes of {SLIDES} bags"
    assert benchmark(count) == SLIDES * TILES
