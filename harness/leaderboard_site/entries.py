"""A study as an entry of a board."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.bundles.entries import EntryStore
from harness.leaderboard_site.badges import badges_of
from harness.leaderboard_site.commands import command
from harness.leaderboard_site.content import Entry, Score, SiteScore, Unit
from harness.leaderboard_site.costs import cost_of
from harness.leaderboard_site.sites import site_scores, sites_of
from harness.leaderboard_site.words import pretraining_text, public
from harness.results.differences import mpp_text, setting_text, settings_text
from harness.results.names import safe_name
from harness.results.study_table import input_text, known, labels_text

if TYPE_CHECKING:
    from harness.evaluation.rows import Rows
    from harness.leaderboard_site.collect import Collected
    from harness.leaderboard_site.standing import Standing
    from harness.results.differences import Distinction
    from harness.results.leaderboard import Row
    from harness.results.summary import Summary


def entry_of(
    row: Row, *, metric: str, place: int, standing: Standing | None, what: Distinction, collected: Collected
) -> Entry:
    """The entry of a study.

    Args:
        row: the study.
        metric: that the board ranks by.
        place: 1 for the first row of the board.
        standing: how it stands to the others; None where it is not ranked.
        what: what tells it from the others.
        collected: where its evidence is.
    """
    study, summary = row.summary.study, row.summary
    data = collected.predictions.get(study.study_id)
    interval = standing.interval if standing else None
    return Entry(
        study=study.study_id,
        page=f"studies/{safe_name(study.study_id)}.html",
        method=study.method,
        rank=standing.rank if standing else None,
        place=place if standing else None,
        rank_low=interval.low if interval else None,
        rank_high=interval.high if interval else None,
        ties=standing.ties if standing else "",
        not_ranked=row.reason,
        scores=_scores(summary, metric),
        cost=cost_of(summary),
        units_done=len(study.records),
        units_planned=None if study.planned is None else len(study.planned),
        accesses=summary.accesses.accesses,
        supervision=labels_text(study),
        encoder=what.encoder,
        resolution=mpp_text(what.mpp),
        pretraining=pretraining_text(study),
        input_differs=input_text(study),
        preset=what.preset,
        differs_in=settings_text(what.settings),
        badges=badges_of(
            row,
            collected.verifications[study.study_id],
            entered=isinstance(collected.stores[study.study_id], EntryStore),
        ),
        params=_params(study.records[0].spec.get("params", {})),
        command=command(study),
        units=() if data is None else _units(data, metric),
        sites=_sites(data, metric, study.dataset),
        finished=max(record.finished for record in study.records),
    )


def _scores(summary: Summary, metric: str) -> tuple[Score, ...]:
    found = summary.scores.scores if summary.scores else {}
    names = [metric, *(name for name in found if name != metric)]
    empty = dict.fromkeys(("value", "low", "high", "std_folds"))
    return tuple(
        Score(
            metric=name,
            **({key: known(getattr(found[name], key)) for key in empty} if name in found else empty),
        )
        for name in names
    )


def _params(params: Mapping[str, Any]) -> dict[str, str]:
    return {name: public(setting_text(value)) for name, value in params.items()}


def _units(data: Rows, metric: str) -> tuple[Unit, ...]:
    """The score of each unit."""
    found = []
    for folds in data.runs():
        for rows in folds:
            value = float(data.scores([rows], np.ones((1, len(data))))[metric][0])
            repeat, fold, seed = (int(getattr(data, name)[rows[0]]) for name in ("repeat", "fold", "seed"))
            found.append(Unit(repeat=repeat, fold=fold, seed=seed, slides=len(rows), value=known(value)))
    return tuple(sorted(found, key=lambda unit: (unit.seed, unit.repeat, unit.fold)))


def _sites(data: Rows | None, metric: str, dataset: str) -> tuple[SiteScore, ...]:
    return () if data is None else site_scores(data, metric, sites_of(dataset))
