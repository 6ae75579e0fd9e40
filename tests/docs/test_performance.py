from __future__ import annotations

import importlib.util
import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_tables_are_those_of_the_measurements_that_are_kept() -> None:
    place = ROOT / "tests/benchmarks/performance.py"
    spec = importlib.util.spec_from_file_location("performance", place)
    assert spec is not None and spec.loader is not None
    performance = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(performance)
    page = performance.PAGE.read_text(encoding="utf-8")
    for section in performance.SECTIONS:
        kept = json.loads((ROOT / f"docs/measurements/{section}.json").read_text(encoding="utf-8"))
        assert kept["rows"]
        assert performance.written(page, section, kept) == page
