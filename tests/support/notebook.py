"""Running a notebook's cells in one namespace, without a kernel.

``python -m support.notebook ../docs/results.ipynb`` (in ``tests``) writes their outputs, of made-up studies, into it.
"""

from __future__ import annotations

import ast
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from harness.results.store import RunStore
from support.evidence import fill


def made_up_runs(folder: Path) -> None:
    """The two studies whose tables the notebook shows."""
    store = RunStore(folder / "runs")
    fill(store, study="abmil-toy-cv3-111111", signal=0.4)
    fill(store, study="max_pool-toy-cv3-222222", method="max_pool", signal=0.1)


def code_cells(path: Path) -> list[dict[str, Any]]:
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]


def outputs(path: Path) -> list[str]:
    """What the last expression of every cell shows, run in the current folder."""
    names: dict[str, Any] = {"__name__": "__main__"}
    shown = []
    for number, cell in enumerate(code_cells(path)):
        body = ast.parse("".join(cell["source"]), f"cell {number} of {path.name}").body
        last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
        exec(compile(ast.Module(body, []), f"cell {number}", "exec"), names)
        value = None if last is None else eval(compile(ast.Expression(last.value), f"cell {number}", "eval"), names)
        shown.append("" if value is None else repr(value))
    return shown


def stored(cell: dict[str, Any]) -> str:
    """The output that stands in the file."""
    return "".join("".join(one["data"]["text/plain"]) for one in cell["outputs"])


def write_outputs(path: Path) -> None:
    content, place = json.loads(path.read_text()), path.resolve()
    with tempfile.TemporaryDirectory() as folder:
        made_up_runs(Path(folder))
        os.chdir(folder)
        shown = outputs(place)
    cells = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    for number, (cell, text) in enumerate(zip(cells, shown, strict=True), 1):
        cell["execution_count"] = number
        data = {"text/plain": text.splitlines(keepends=True)}
        result = {"output_type": "execute_result", "execution_count": number, "metadata": {}, "data": data}
        cell["outputs"] = [result] if text else []
    place.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    write_outputs(Path(sys.argv[1]))
