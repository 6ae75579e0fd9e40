"""A folder of datasets in an installed package: listed with its origin, and run by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.installed import installed
from support.toy import write_toy_dataset


def test_datasets_of_an_installed_package_are_found_by_name(
    bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_toy_dataset(tmp_path / "site" / "folder" / "outside", name="outside")
    source = "from pathlib import Path\n\n\ndef folder():\n    return Path(__file__).parent / 'folder'\n"
    points = {"harness.datasets": {"outside": "folder", "gone": "none"}}
    with installed(tmp_path / "site", monkeypatch, source, points) as module:
        listed = bench("plugins", "list", "datasets")
        assert listed.code == 0 and f"entry point outside of {module}" in listed.out
        assert "AttributeError" in listed.out, "the broken one is listed with its reason"
        planned = bench("run", "--method", "mean_pool", "--dataset", "outside", "--dry-run")
        assert planned.code == 0 and "outside" in planned.out, planned.err
