"""How much memory there is: sizes as people write them, limits of control groups."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.accounting import available
from harness.accounting.available import available_bytes, limit_from_environment, parse_bytes
from harness.core.errors import UsageError


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("8GB", 8 * 10**9),
        ("8 gb", 8 * 10**9),
        ("8G", 8 * 10**9),
        ("1.5GiB", 3 * 2**29),
        ("500MB", 5 * 10**8),
        (512, 512),
    ],
)
def test_sizes(text, size):
    assert parse_bytes(text, place="--memory-limit") == size


@pytest.mark.parametrize("text", ["", "much", "8 apples", "-1GB", "0", "8XB", "nan"])
def test_what_is_no_size_is_refused_in_three_lines(text):
    with pytest.raises(UsageError, match="is no amount of memory") as error:
        parse_bytes(text, place="--memory-limit")
    assert (error.value.place, "8GB" in error.value.fix) == ("--memory-limit", True)


def test_the_environment_stands_in_for_the_option(monkeypatch):
    monkeypatch.delenv("BENCH_MEMORY_LIMIT", raising=False)
    assert limit_from_environment() is None
    monkeypatch.setenv("BENCH_MEMORY_LIMIT", "2GB")
    assert limit_from_environment() == 2 * 10**9
    monkeypatch.setenv("BENCH_MEMORY_LIMIT", "lots")
    with pytest.raises(UsageError) as error:
        limit_from_environment()
    assert error.value.place == "$BENCH_MEMORY_LIMIT"


def test_the_tightest_group_above_a_process_counts_and_caches_make_room(tmp_path: Path):
    root, own = tmp_path / "cgroup", tmp_path / "own"
    for folder, limit, usage in ((root / "job", "10000", 4000), (root / "job" / "step", "max", 3000)):
        folder.mkdir(parents=True)
        (folder / "memory.max").write_text(limit + "\n")
        (folder / "memory.current").write_text(f"{usage}\n")
        (folder / "memory.stat").write_text("anon 9\ninactive_file 500\n")
    own.write_text("0::/job/step\n")
    assert list(available._left_in_cgroups(own, root)) == [10000 - 4000 + 500]


def test_the_older_layout_of_groups(tmp_path: Path):
    root, own = tmp_path / "cgroup", tmp_path / "own"
    for name, limit in (("", 2**63 - 4096), ("slurm", 7000)):
        folder = root / "memory" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "memory.limit_in_bytes").write_text(str(limit))
        (folder / "memory.usage_in_bytes").write_text("6500")
        (folder / "memory.stat").write_text("total_inactive_file 0\n")
    own.write_text("5:cpuset:/\n4:memory:/slurm\n0::/\n")
    assert list(available._left_in_cgroups(own, root)) == [500]
    assert list(available._left_in_cgroups(tmp_path / "none", root)) == []


def test_a_margin_of_the_machines_memory_is_left_alone():
    import psutil

    assert 0 < available_bytes("cpu") < psutil.virtual_memory().total * (1 - available.MARGIN)
