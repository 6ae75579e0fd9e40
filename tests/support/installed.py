"""A package that is installed outside the repository: one module, and the metadata that an installer would write."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.plugins.kinds import KINDS


@contextmanager
def installed(
    site: Path, monkeypatch: pytest.MonkeyPatch, source: str, entry_points: Mapping[str, Mapping[str, str]]
) -> Iterator[str]:
    """Install a package of one module and forget what was registered, before and after.

    Args:
        site: a folder for the package.
        monkeypatch: of the test.
        source: of the module.
        entry_points: group → name → what stands behind the colon of its value.

    Yields:
        The module's name, another one for every folder.
    """
    module = f"outside_{site.parent.name}".replace("-", "_")
    info = site / f"{module}-1.0.dist-info"
    info.mkdir(parents=True)
    (site / f"{module}.py").write_text(source)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    groups = [
        f"[{group}]\n" + "".join(f"{name} = {module}:{value}\n" for name, value in points.items())
        for group, points in entry_points.items()
    ]
    (info / "entry_points.txt").write_text("\n".join(groups))
    monkeypatch.syspath_prepend(site)
    forget_plugins()
    yield module
    forget_plugins()
    sys.modules.pop(module, None)


def forget_plugins() -> None:
    """Empty the registries of this process."""
    for place in KINDS.values():
        module, _, function = place.partition(":")
        if module in sys.modules:
            getattr(sys.modules[module], function).cache_clear()
