"""The scores of a study with their intervals, kept by what they were computed from."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from harness.core.hashing import sha256_json
from harness.evaluation.study_scores import StudyScores
from harness.results.index.code import code_digest, plugins_digest
from harness.results.index.database import Database

_in_process: dict[str, StudyScores] = {}


def scores_by_content(
    database: Database, content: Sequence[str], settings: Sequence[Any], compute: Callable[[], StudyScores | None]
) -> StudyScores | None:
    """The scores of some predictions, computed where nobody has done so before.

    Args:
        database: the index of their runs folder.
        content: SHA-256 of each table of predictions, in the order of the units; one that is empty is not known, and
            the scores are computed.
        settings: what the scores depend on beside them, JSON-able.
        compute: computes them.
    """
    if not content or not all(content):
        return compute()
    key = sha256_json([list(content), list(settings), code_digest(), plugins_digest()])
    if (known := _in_process.get(key)) is None:
        known = _parsed(database.scores(key))
        if known is None:
            if (known := compute()) is None:
                return None
            database.keep_scores(key, json.dumps(_adapter().dump_python(known)))
        _in_process[key] = known
    return known


def _parsed(text: str | None) -> StudyScores | None:
    try:
        return None if text is None else _adapter().validate_python(json.loads(text))
    except (ValueError, ValidationError):
        return None


@functools.cache
def _adapter() -> TypeAdapter[StudyScores]:
    return TypeAdapter(StudyScores)
