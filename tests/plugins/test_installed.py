"""Entry points are looked for once, and again where something was installed."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest

from harness.plugins import installed


def install(site: Path, name: str) -> None:
    info = site / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[test.group]\n{name} = {name}:Thing\n")


def found() -> list[str]:
    return sorted(f"{point.name} of {installed.package(point)}" for point in installed.entry_points("test.group"))


def test_what_is_installed_later_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found() == []
    install(tmp_path / "site", "one")
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert found() == ["one of one 1.0"]
    install(tmp_path / "site", "two")
    assert found() == ["one of one 1.0", "two of two 1.0"]


def test_all_groups_are_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scans, scan = [], metadata.entry_points
    monkeypatch.setattr(metadata, "entry_points", lambda: scans.append(1) or scan())
    monkeypatch.syspath_prepend(tmp_path)  # a path that was not read before
    methods = {point.name for point in installed.entry_points("harness.methods")}
    assert {"abmil", "transmil"} <= methods
    assert len(installed.entry_points("harness.executors")) >= 3
    assert len(scans) == 1


def test_a_point_of_no_distribution() -> None:
    assert installed.package(metadata.EntryPoint("a", "b:C", "d")) == ""
