"""The tables of docs/performance.md, from the benchmarks' own output.

Run the benchmarks of a section and write its table (some minutes)::

    python tests/benchmarks/performance.py tiles

The numbers are kept in docs/measurements/, so that the page can be written again without measuring: ``--written``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
DOCS = HERE.parents[1] / "docs"
PAGE = DOCS / "performance.md"

Row = Mapping[str, Any]


def tiles_table(rows: Sequence[Row]) -> list[str]:
    """Milliseconds of CPU time for a tile, by each way, and the ratios that count."""
    lines = [
        "| 256 px tiles | own bytes | OpenSlide | decoder alone | faster than OpenSlide | of the decoder's speed |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        times = " | ".join(f"{row['cpu_ms'][name]:.2f} ms" for name in ("direct", "openslide", "decoder"))
        ratios = row["ratios"]
        lines.append(f"| {row['case']} | {times} | {ratios['openslide']:.1f} × | {ratios['decoder']:.0%} |")
    return lines


SECTIONS: Mapping[str, tuple[str, Callable[[Sequence[Row]], list[str]]]] = {"tiles": ("test_tiles.py", tiles_table)}
"""Name → the file with its benchmarks, and what makes the table of their rows."""


def measure(section: str) -> dict[str, Any]:
    """Run the benchmarks of a section: where it was measured, and the rows."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "benchmarks.json"
        command = [sys.executable, "-m", "pytest", "-q", str(HERE / SECTIONS[section][0]), f"--benchmark-json={output}"]
        subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, cwd=HERE.parents[1])
        found = json.loads(output.read_text(encoding="utf-8"))
    machine = found["machine_info"]
    rows = [one["extra_info"] for one in found["benchmarks"] if one["extra_info"].get("section") == section]
    numbers = ("cpu_ms", "ratios")
    return {
        "cpu": machine["cpu"]["brand_raw"],
        "python": machine["python_version"],
        "date": found["datetime"][:10],
        "rows": [
            {"case": row["case"], **{what: {k: round(v, 4) for k, v in row[what].items()} for what in numbers}}
            for row in rows
        ],
    }


def written(page: str, section: str, measured: Mapping[str, Any]) -> str:
    """The page with the table of a section between its two marks."""
    start, end = f"<!-- {section}: measured -->", f"<!-- {section}: end -->"
    before, _, rest = page.partition(start)
    _, _, after = rest.partition(end)
    table = "\n".join(SECTIONS[section][1](measured["rows"]))
    where = f"Measured on {measured['date']}: {measured['cpu']}, Python {measured['python']}."
    return f"{before}{start}\n{where}\n\n{table}\n{end}{after}"


def main() -> None:
    """Measure if asked to, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("section", choices=SECTIONS)
    parser.add_argument("--written", action="store_true", help="write the page from the numbers that are kept")
    given = parser.parse_args()
    kept = DOCS / "measurements" / f"{given.section}.json"
    if not given.written:
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(json.dumps(measure(given.section), indent=1) + "\n", encoding="utf-8")
    measured = json.loads(kept.read_text(encoding="utf-8"))
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), given.section, measured), encoding="utf-8")


if __name__ == "__main__":
    main()
