"""The checks of a study's plan: the units that it names are those of its protocol, and those that are there."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from harness.verification.finding import Finding
from harness.verification.identity import sibling

if TYPE_CHECKING:
    from harness.results.record import Record
    from harness.results.studies import Study
    from harness.verification.expected import Expected

Place = tuple[int, int, int]
"""Repeat, fold and seed of a unit."""

_ID = re.compile(r"-r(\d{1,9})f(\d{1,9})-s(\d{1,20})-[0-9a-f]{12}")


def place_of(unit_id: str) -> Place | None:
    """Repeat, fold and seed that the name of a unit states; None where it is no such name."""
    hits = list(_ID.finditer(unit_id))
    if not hits or hits[-1].end() != len(unit_id):
        return None
    repeat, fold, seed = map(int, hits[-1].groups())
    return repeat, fold, seed


def check_plan(study: Study, card: Expected | None) -> Iterator[Finding]:
    """Compare study.json with the units that are there, and with the card.

    Args:
        study: the study; nothing is checked without a finished unit, or where study.json is lost.
        card: what the card says; None where it is not here.
    """
    if not study.records or study.planned is None:
        return
    first = study.records[0]
    yield from _check_names(study, first)
    yield from _check_units(study, first, card)
    yield from _check_strays(study)
    if card is not None:
        yield from _check_protocol(study, card)


def _check_names(study: Study, first: Record) -> Iterator[Finding]:
    """Names, and what was learnt from, are those of the units."""
    place = f"{study.study_id}, study.json"
    for name in ("method", "dataset", "protocol"):
        if (shown := getattr(study, name)) != (true := first.spec[name]):
            yield Finding.of("plan", place, f"{name} is not that of the units", shown, true)
    for record in study.records:
        if (true := record.config.get("labels", [_SLIDES])) != (shown := study.config.get("labels", [_SLIDES])):
            yield Finding.of("plan", f"{place}, config", "labels are not those of the units", shown, true)
            break


def _check_units(study: Study, first: Record, card: Expected | None) -> Iterator[Finding]:
    """The plan has every fold of the protocol with every seed, each once, and nothing else."""
    place, planned = f"{study.study_id}, study.json, units", study.planned or ()
    if twice := [name for name, count in Counter(planned).items() if count > 1]:
        yield Finding.of("plan", place, f"{twice[0]} stands there twice", len(planned), len(set(planned)))
    where = {name: place_of(name) for name in planned}
    own = {at: name for name, at in where.items() if at is not None and sibling(first.spec, *at) == name}
    if others := [name for name, at in where.items() if own.get(at or (-1, -1, -1)) != name]:
        more = f" and {len(others) - 1} more" * (len(others) > 1)
        yield Finding.of("plan", place, f"{others[0]}{more} is no unit of this study", len(planned), len(own))
    seeds = {at[2] for at in own} | {record.spec["seed"] for record in study.records}
    if card is not None and card.splits is not None:
        folds, source = card.folds, "the split file"
    else:
        folds, source = frozenset((repeat, fold) for repeat, fold, _ in own), "the other seeds"
    missing = sorted((r, f, s) for r, f in folds for s in seeds if (r, f, s) not in own)
    if missing:
        repeat, fold, seed = missing[0]
        more = f" and {len(missing) - 1} more" * (len(missing) > 1)
        problem = f"r{repeat}f{fold} of seed {seed}{more} of {source} is not in the plan"
        yield Finding.of("plan", place, problem, f"{len(planned)} units", f"{len(folds) * len(seeds)} units")
    if beyond := sorted(at for at in own if at[:2] not in folds):
        repeat, fold, seed = beyond[0]
        yield Finding.of("plan", place, f"r{repeat}f{fold} of seed {seed} is no fold of the protocol", own[beyond[0]])


def _check_strays(study: Study) -> Iterator[Finding]:
    """Every unit that is there is planned."""
    planned = set(study.planned or ())
    strays = [record.unit_id for record in study.records if record.unit_id not in planned]
    for name in strays[:_MOST]:
        yield Finding.of("stray", name, "the unit is there, and the study's plan does not have it")
    if len(strays) > _MOST:
        yield Finding.of("stray", study.study_id, f"{len(strays) - _MOST} more units that the plan does not have")


def _check_protocol(study: Study, card: Expected) -> Iterator[Finding]:
    place = f"{study.study_id}, study.json"
    if card.ranked is None:
        return
    if study.ranked != card.ranked:
        yield Finding.of("protocol", place, "ranked is not what the card says", study.ranked, card.ranked)
    true = card.dataset.card.protocols[study.records[0].spec["protocol"]].auc
    shown = study.config.get("protocol_settings", {}).get("auc", true)
    if shown != true:
        yield Finding.of("protocol", f"{place}, config", "auc is not put together as the card says", shown, true)


def lost(planned: Sequence[str] | None, records: Sequence[Record]) -> int:
    """How many units of the plan are not done."""
    done = {record.unit_id for record in records}
    return sum(name not in done for name in planned or ())


_SLIDES = "slides"
_MOST = 5
