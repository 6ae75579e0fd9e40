"""The documentation is a site: it builds strictly, has every public name and page, and asks no other host."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import harness

pytest.importorskip("mkdocs")
ROOT = Path(__file__).resolve().parents[2]
# What a browser fetches by itself, other than where a reader may click.
FETCHED = re.compile(
    r"<(?:script|img|iframe|source)[^>]+src=\"?https?://|<link[^>]+rel=\"?(?:stylesheet|preload|icon|preconnect)[^>]+https?://"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    words = ["-m", "mkdocs", "build", "--strict", "--quiet", "--config-file", str(ROOT / "mkdocs.yml"), "--site-dir"]
    done = subprocess.run(
        [sys.executable, *words, str(folder)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_every_public_name_and_method_has_its_place(site):
    page = (site / "api" / "index.html").read_text()
    assert not [name for name in harness.__all__ if f'.{name}"' not in page]
    methods = {path.stem for path in (ROOT / "docs" / "methods").glob("*.md")} - {"README"}
    start = (site / "index.html").read_text()
    assert not [name for name in methods if f"methods/{name}/" not in start]


def test_nothing_is_fetched_from_elsewhere(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 30
    assert not [page for page in pages if FETCHED.search(page.read_text())]
    styles = [path for path in site.rglob("*.css") if re.search(r"url\([\"']?https?://", path.read_text())]
    assert not styles
