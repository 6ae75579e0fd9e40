"""All checks of a study, put together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from harness.verification.accesses import Log, check_accesses, check_unplanned, stated
from harness.verification.copies import check_copies
from harness.verification.expected import first_difference
from harness.verification.finding import Finding, Verification
from harness.verification.plan import check_plan, lost
from harness.verification.unit import check_scores

if TYPE_CHECKING:
    from harness.evaluation.study_scores import StudyScores
    from harness.results.record import Record
    from harness.results.studies import Study
    from harness.verification.expected import Expected, Row
    from harness.verification.facts import UnitFacts


def check_study(
    study: Study,
    facts: Mapping[str, UnitFacts],
    *,
    card: Expected | None,
    log: Log,
    unknown: Collection[str] = (),
    unreadable: Mapping[str, str] | None = None,
    scores: StudyScores | None = None,
    rows: Callable[[Record], Sequence[Row] | None] | None = None,
) -> Verification:
    """Check a study.

    Args:
        study: the study.
        facts: of each of its finished units, by id.
        card: what the dataset's card says; None where it is not here.
        log: the access log of the runs folder.
        unknown: accessors of the log that no plan and no record of the runs folder has.
        unreadable: unit → why its evidence cannot be read.
        scores: what the predictions come to; None compares no scores of study.json.
        rows: reads the sorted rows of a unit, to name the slide that differs, or gives None where they cannot be read
            any more; None names none.
    """
    findings = [Finding.of("unreadable", name, problem) for name, problem in (unreadable or {}).items()]
    findings += [finding for record in study.records for finding in facts[record.unit_id].findings]
    findings += check_plan(study, card)
    findings += check_copies(study.records, facts)
    if card is not None and card.splits is not None:
        findings += _check_rows(study, facts, card, rows)
    findings += check_accesses(study.records, facts, log)
    if study.records:
        findings += check_unplanned(study.records[0], unknown)
    if scores is not None and study.stored_units == len(study.records):
        true = {name: {"value": score.value} for name, score in scores.scores.items()}
        findings += check_scores(study.stored_scores, true, f"{study.study_id}, study.json")
    unchecked = tuple(_unchecked(study, facts, card))
    return Verification(study.study_id, tuple(findings), unchecked, lost(study.planned, study.records))


def _check_rows(
    study: Study,
    facts: Mapping[str, UnitFacts],
    card: Expected,
    rows: Callable[[Record], Sequence[Row] | None] | None,
) -> Iterator[Finding]:
    for record in study.records:
        repeat, fold = record.spec["repeat"], record.spec["fold"]
        digest = facts[record.unit_id].rows
        if not digest:
            continue
        if (true := card.digests.get((repeat, fold))) is None:
            yield Finding.of("rows", record.unit_id, f"the protocol has no r{repeat}f{fold}")
        elif digest != true:
            what = "the rows are not the test slides of the fold with their labels and patients", digest, true
            if rows is not None and (found := rows(record)) is not None:
                what = first_difference(found, card.rows(repeat, fold), tuple(card.dataset.task.truth))
            yield Finding.of("rows", f"{record.unit_id}, predictions.parquet", *what)


def _unchecked(study: Study, facts: Mapping[str, UnitFacts], card: Expected | None) -> Iterator[str]:
    if not study.records:
        yield "no unit is done"
        return
    if card is None:
        yield f"the card of dataset {study.records[0].spec['dataset']} is not here"
    elif card.unchecked:
        yield card.unchecked
    if study.planned is None:
        yield "study.json is lost"
    silent: list[Record] = [record for record in study.records if stated(record) is None]
    if silent:
        yield f"{len(silent)} records do not state their test-set accesses"
    yield from dict.fromkeys(text for record in study.records for text in facts[record.unit_id].unchecked)
