"""Hostile names stay inside their folder; numbers survive the way to JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.plain_json import plain
from harness.results.names import safe_name, without_password

HOSTILE = [
    "../../etc/passwd",
    "..",
    ".",
    "",
    "/",
    "a/b",
    "a\\b",
    "nul\0byte",
    ".hidden",
    "-rf",
    "x" * 500,
    "ü/é",
    "a b",
    "%2e",
    "\ud800",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_become_plain_ones(name: str, tmp_path: Path) -> None:
    safe = safe_name(name)
    target = tmp_path / safe
    target.write_text("x")
    assert target.resolve().parent == tmp_path.resolve()
    assert safe[0] not in ".-" and len(safe) < 200


@given(st.text(), st.text())
def test_different_names_stay_different(a: str, b: str) -> None:
    assert (safe_name(a) == safe_name(b)) == (a == b)


def test_harmless_names_stay_as_they_are() -> None:
    assert safe_name("gated_abmil-musk1-r0f3-s0-0123456789ab") == "gated_abmil-musk1-r0f3-s0-0123456789ab"


def test_everything_becomes_plain_json() -> None:
    value = {
        "a": np.float64("nan"),
        "b": np.int64(3),
        "c": np.arange(2),
        "d": (1, {"x"}),
        5: Path("p"),
        "e": float("inf"),
    }
    assert json.loads(json.dumps(plain(value), allow_nan=False)) == {
        "a": None,
        "b": 3,
        "c": [0, 1],
        "d": [1, ["x"]],
        "5": "p",
        "e": None,
    }


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:se:cret@host:5432/x", "postgresql://me:***@host:5432/x"),
        ("cannot reach https://me:secret@host/a?b=c@d now", "cannot reach https://me:***@host/a?b=c@d now"),
        ("http://host:80/a@b", "http://host:80/a@b"),
        ("sqlite:////data/a:b@c/mlflow.db", "sqlite:////data/a:b@c/mlflow.db"),
    ],
)
def test_passwords_in_addresses_are_not_shown(text: str, shown: str) -> None:
    assert without_password(text) == shown
