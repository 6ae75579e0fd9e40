"""The texts that stand in the program's code: literals, with ``…`` in the place of what is filled in."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path


def texts(root: Path) -> Iterator[str]:
    for path in sorted(root.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                yield "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
