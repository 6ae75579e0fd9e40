"""The content of the site: a board for each group of studies, and the overview over datasets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

import harness
from harness.evaluation.critical_difference import critical_difference
from harness.leaderboard_site.content import Board, Content, Entry, MeanRank, Overview, Published, Setting
from harness.leaderboard_site.entries import entry_of
from harness.leaderboard_site.standing import standings
from harness.leaderboard_site.words import difference_words, protocol_title, protocol_words, public
from harness.results.differences import distinctions
from harness.results.metric_labels import label
from harness.results.names import safe_name
from harness.results.reference import read_references
from harness.tasks.registry import lower_is_better

if TYPE_CHECKING:
    from harness.leaderboard_site.collect import Collected
    from harness.results.leaderboard import Group, Row
    from harness.results.reference import Reference


def content_of(collected: Collected, *, title: str) -> Content:
    """Everything that the site shows.

    Args:
        collected: the studies.
        title: of the site.
    """
    boards = tuple(_board(group, collected) for group in collected.groups)
    return Content(
        wsibench=harness.__version__,
        title=title,
        boards=boards,
        overview=overview(boards),
        damaged=tuple(Setting(name=public(one.name), value=public(one.reason)) for one in collected.broken),
    )


def _board(group: Group, collected: Collected) -> Board:
    again = [one for one in collected.groups if (one.dataset, one.protocol) == (group.dataset, group.protocol)]
    name = f"{group.dataset}-{group.protocol}" + (f"-{group.split[:8]}-{group.data[:8]}" if len(again) > 1 else "")
    stands = standings(group, collected.predictions)
    apart = distinctions([row.summary.study for row in group.rows])
    entries = tuple(
        entry_of(
            row,
            metric=group.metric,
            place=place,
            standing=stands.get(row.summary.study.study_id),
            what=what,
            collected=collected,
        )
        for place, (row, what) in enumerate(zip(group.rows, apart, strict=True), start=1)
    )
    first = group.rows[0].summary
    return Board(
        name=safe_name(name),
        dataset=group.dataset,
        protocol=group.protocol,
        title=protocol_title(first.study),
        protocol_words=protocol_words(first.study),
        split_sha256=group.split,
        dataset_fingerprint=group.data,
        task=str(first.study.records[0].config.get("task", "classification")),
        metric=group.metric,
        label=label(group.metric),
        lower_is_better=lower_is_better(group.metric),
        slides=_slides(collected, first.study.study_id),
        patients=first.scores.patients if first.scores else 0,
        entries=entries,
        published=tuple(_published(one, group.rows, entries) for one in read_references(group.dataset)),
        tied=any(entry.ties for entry in entries),
    )


def _slides(collected: Collected, study: str) -> int:
    data = collected.predictions.get(study)
    slides = None if data is None else data.columns().get("slide")
    return 0 if slides is None else len(np.unique(slides))


def _published(reference: Reference, rows: Sequence[Row], entries: Sequence[Entry]) -> Published:
    """A score from elsewhere beside that of our best study of the same method."""
    pairs = [
        (row.summary.study, entry)
        for row, entry in zip(rows, entries, strict=True)
        if reference.is_of(entry.method, row.summary.study.records[0].spec.get("params", {}))
    ]
    study, entry = pairs[0] if pairs else (None, None)
    values = {score.metric: score.value for score in entry.scores} if entry else {}
    return Published(
        method=reference.method,
        our_method=reference.ours,
        metric=reference.metric,
        label=label(reference.metric),
        value=reference.value,
        spread=reference.spread,
        kind=reference.kind,
        source=reference.source,
        protocol=reference.protocol,
        ours=values.get(reference.metric),
        our_study=entry.study if entry else "",
        our_page=entry.page if entry else "",
        difference=difference_words(reference, study),
    )


def overview(boards: Sequence[Board]) -> Overview:
    """Methods over datasets: of each the board with the most ranked methods counts, each method by its best study."""
    chosen = _one_per_dataset(boards)
    best = [_best_scores(board) for board in chosen]
    methods = sorted(set().union(*best)) if best else []
    everywhere = [name for name in methods if all(name in one for one in best)]
    left_out = tuple(name for name in methods if name not in everywhere)
    scores = np.array([[one[name] for one in best] for name in everywhere], dtype=np.float64)
    base = {"boards": tuple(board.name for board in chosen), "left_out": left_out}
    try:
        found = critical_difference(scores.reshape(len(everywhere), len(chosen)))
    except ValueError as refused:
        ranked = _mean_ranks(everywhere, scores) if len(chosen) > 1 else ()
        return Overview(**base, methods=ranked, refused=str(refused), distance=None, friedman_p=None, groups=())
    return Overview(
        **base,
        methods=_mean_ranks(everywhere, scores),
        refused="",
        distance=found.distance,
        friedman_p=found.p_value,
        groups=tuple(tuple(everywhere[k] for k in group) for group in found.groups),
    )


def _one_per_dataset(boards: Sequence[Board]) -> list[Board]:
    found: dict[str, Board] = {}
    for board in boards:
        count = len(_best_scores(board))
        if count and (board.dataset not in found or count > len(_best_scores(found[board.dataset]))):
            found[board.dataset] = board
    return list(found.values())


def _best_scores(board: Board) -> dict[str, float]:
    """Method → its best ranked score; larger is better, so a loss is taken negative."""
    sign = -1 if board.lower_is_better else 1
    found: dict[str, float] = {}
    for entry in board.entries:
        if entry.rank is not None and entry.score.value is not None:
            found[entry.method] = max(found.get(entry.method, -np.inf), sign * entry.score.value)
    return found


def _mean_ranks(methods: Sequence[str], scores: np.ndarray) -> tuple[MeanRank, ...]:
    from scipy.stats import rankdata

    if not methods:
        return ()
    ranks = np.column_stack([rankdata(-column) for column in scores.T])
    found = [
        MeanRank(method=name, mean_rank=float(row.mean()), ranks=tuple(map(float, row)))
        for name, row in zip(methods, ranks, strict=True)
    ]
    return tuple(sorted(found, key=lambda one: (one.mean_rank, one.method)))
