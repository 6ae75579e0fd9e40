"""Units that are copies of one another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from harness.verification.finding import Finding

if TYPE_CHECKING:
    from harness.results.record import Record
    from harness.verification.facts import UnitFacts


def check_copies(records: Sequence[Record], facts: Mapping[str, UnitFacts]) -> Iterator[Finding]:
    """Find units of a study with the same place in the protocol, and units with the same predictions.

    Two seeds of a method that draws nothing by chance predict the same in all folds that they share; that is no copy
    unless their times are the same too.

    Args:
        records: of the study's finished units.
        facts: by unit.
    """
    places = Counter(_place(record) for record in records)
    for (repeat, fold, seed), count in places.items():
        if count > 1:
            names = [record.unit_id for record in records if _place(record) == (repeat, fold, seed)]
            problem = f"r{repeat}f{fold} of seed {seed} is there {count} times"
            yield Finding.of("copy", names[1], problem, names[1], names[0])
    by_digest: dict[str, list[Record]] = {}
    for record in records:
        if digest := facts[record.unit_id].predictions:
            by_digest.setdefault(digest, []).append(record)
    if not any(len(alike) > 1 for alike in by_digest.values()):
        return
    by_seed: dict[int, dict[tuple[int, int], str]] = {}
    for record in records:
        repeat, fold, seed = _place(record)
        by_seed.setdefault(seed, {})[repeat, fold] = facts[record.unit_id].predictions
    for first, *others in by_digest.values():
        for other in others:
            if _is_copy(first, other, by_seed):
                problem = f"the predictions are those of {first.unit_id}"
                yield Finding.of("copy", other.unit_id, problem, facts[other.unit_id].predictions)


def _is_copy(first: Record, other: Record, by_seed: Mapping[int, Mapping[tuple[int, int], str]]) -> bool:
    a, b = _place(first), _place(other)
    if a[:2] != b[:2] or a[2] == b[2]:
        return a != b  # the same place twice is told already
    if (first.started, first.finished) == (other.started, other.finished):
        return True
    mine, theirs = by_seed[a[2]], by_seed[b[2]]
    return any(mine[place] != theirs[place] for place in mine.keys() & theirs.keys())


def _place(record: Record) -> tuple[int, int, int]:
    spec = record.spec
    return spec["repeat"], spec["fold"], spec["seed"]
