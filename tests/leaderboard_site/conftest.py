"""A small site, built once."""

from __future__ import annotations

import pytest
from support.made_up import made_up_store

from harness.leaderboard_site.build import Site, build
from harness.results.store import RunStore

HOSTILE = '<script>alert("1")</script>&\'"><img src=x onerror=alert(2)>'


@pytest.fixture(scope="session")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    """Two methods, one of a hostile name, on two datasets."""
    root = tmp_path_factory.mktemp("made_up") / "runs"
    return made_up_store(root, methods=("abmil", HOSTILE), datasets=("camelyon16-mini", "colon-nuclei"))


@pytest.fixture(scope="session")
def site(made_up: RunStore, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The site of that store."""
    return build([made_up], tmp_path_factory.mktemp("site"), title="A board & more")
