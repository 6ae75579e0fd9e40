"""The scores of a study with their intervals, kept by what they were computed from."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from harness.core.hashing import sha256_json
from harness.evaluation.study_scores import StudyScores
from harness.results.index.code import code_digest, plugins_digest, scored_names
from harness.results.index.database import Database


class ScoreCache:
    """The scores of studies of one runs folder.

    Args:
        database: its index.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._texts: dict[str, str] | None = None
        self._known: dict[str, StudyScores] = {}

    def get(
        self,
        content: Sequence[str],
        settings: Sequence[Any],
        compute: Callable[[], StudyScores | None],
        unchanged: Callable[[], bool],
    ) -> StudyScores | None:
        """The scores of some predictions, computed where nobody has done so before.

        Args:
            content: SHA-256 of each table of predictions, in the order of the units; where one is empty, the scores are
                computed and not kept.
            settings: what the scores depend on beside them, JSON-able.
            compute: computes them.
            unchanged: whether the tables still have that content, asked after they were read.
        """
        if not content or not all(content):
            return compute()
        key = sha256_json([list(content), list(settings), scored_names(), code_digest(), plugins_digest()])
        if key in self._known:
            return self._known[key]
        if self._texts is None:
            self._texts = self._database.scores()
        if (found := _parsed(self._texts.get(key))) is None:
            if (found := compute()) is None or not unchanged():
                return found
            self._database.keep_scores(key, json.dumps(_adapter().dump_python(found)))
        self._known[key] = found
        return found


def _parsed(text: str | None) -> StudyScores | None:
    try:
        return None if text is None else _adapter().validate_python(json.loads(text))
    except (ValueError, ValidationError):
        return None


@functools.cache
def _adapter() -> TypeAdapter[StudyScores]:
    return TypeAdapter(StudyScores)
