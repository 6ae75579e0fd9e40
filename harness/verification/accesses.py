"""The accesses that records state are those of the test-set access log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.verification.finding import Finding
from harness.verification.identity import sibling
from harness.verification.plan import place_of

if TYPE_CHECKING:
    from harness.results.record import Record
    from harness.verification.facts import UnitFacts


@dataclass(frozen=True)
class Access:
    """One line of the access log.

    Attributes:
        accesses: how many at once.
        predictions: SHA-256 of slides and probabilities; empty where the line has none.
    """

    accesses: int
    predictions: str


Log = Mapping[str, Sequence[Access]]
"""The lines of an access log by accessor, in their order."""


def stated(record: Record) -> int | None:
    """How many accesses a record states; None where it does not."""
    count = record.extra.get("test_accesses", record.extra.get("scorer_asked"))
    return count if isinstance(count, int) else None


def check_accesses(records: Sequence[Record], facts: Mapping[str, UnitFacts], log: Log) -> Iterator[Finding]:
    """Compare the number of accesses, and the predictions of the last one, with the log.

    Args:
        records: finished units; those that state no accesses are left out.
        facts: by unit.
        log: of the runs folder.
    """
    for record in records:
        if (shown := stated(record)) is None:
            continue
        lines = log.get(record.unit_id, ())
        true = sum(line.accesses for line in lines)
        if shown != true:
            problem = "the number of test-set accesses is not that of the access log"
            yield Finding.of("accesses", f"{record.unit_id}, record.json", problem, shown, true)
        elif lines and lines[-1].accesses == 1 and lines[-1].predictions:
            scored, own = lines[-1].predictions, facts[record.unit_id].predictions
            if own and own != scored:
                problem = "the predictions are not those that the access log says were scored"
                yield Finding.of("accesses", f"{record.unit_id}, predictions.parquet", problem, own, scored)


def check_unplanned(first: Record, unknown: Iterable[str]) -> Iterator[Finding]:
    """Find units of a study that were scored, and that neither its plan nor the runs folder has.

    Args:
        first: a record of the study.
        unknown: accessors of the log that no plan and no record has.
    """
    for name in siblings(first, unknown):
        problem = "the unit was scored by the access log, and is in neither the plan nor the runs folder"
        yield Finding.of("stray", name, problem)


def siblings(first: Record, names: Iterable[str]) -> Iterator[str]:
    """Those of ``names`` that units of the study of the record ``first`` have, whatever its plan says."""
    start = f"{first.spec['method']}-{first.spec['dataset']}-r"
    for name in names:
        if name.startswith(start) and (at := place_of(name)) is not None and sibling(first.spec, *at) == name:
            yield name
