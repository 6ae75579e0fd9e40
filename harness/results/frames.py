"""Results as pandas tables: what ``harness.load_study`` and ``harness.load_studies`` give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.errors import DataError
from harness.results.find_study import find_study
from harness.results.store import RunStore
from harness.results.studies import Broken, Study
from harness.results.summary import Summary, summarise

if TYPE_CHECKING:
    import pandas as pd

    from harness.results.record import Record

_STUDY = ("study_id", "method", "dataset", "protocol")
_UNIT = ("repeat", "fold", "seed")
_NAMES = (*_STUDY, "unit_id", "stage")
"""Columns of a curve that are no numbers."""


class Results:
    """One or several studies as tables, read from the evidence when they are asked for.

    Every table begins with the columns ``study_id``, ``method``, ``dataset`` and ``protocol``; those of units have
    ``unit_id``, ``repeat``, ``fold`` and ``seed`` behind them. What is undefined or unknown is NaN. Iterating gives the
    studies one by one.

    Args:
        store: the runs folder.
        studies: the studies.
        damaged: evidence that cannot be read and is in no table.
    """

    def __init__(self, store: RunStore, studies: Sequence[Study], damaged: Sequence[Broken] = ()) -> None:
        self._store = store
        self._studies = tuple(studies)
        self._damaged = tuple(damaged)
        self._summaries: dict[str, Summary] = {}

    def __len__(self) -> int:
        return len(self._studies)

    def __iter__(self) -> Iterator[Results]:
        return (Results(self._store, [study]) for study in self._studies)

    def __repr__(self) -> str:
        return f"<results of {', '.join(self.names) or 'no study'}>"

    @property
    def names(self) -> tuple[str, ...]:
        """Ids of the studies."""
        return tuple(study.study_id for study in self._studies)

    @property
    def configs(self) -> dict[str, Mapping[str, Any]]:
        """The resolved configuration of each study, by its id."""
        return {study.study_id: study.config for study in self._studies}

    @cached_property
    def studies(self) -> pd.DataFrame:
        """A row per study: whether it is ``ranked`` and ``complete``, units ``done`` and ``planned``, what it cost."""
        return _frame(
            {
                **_of_study(study),
                "ranked": study.ranked,
                "complete": study.complete,
                "done": len(study.records),
                "planned": None if study.planned is None else len(study.planned),
                "failed": len(study.failures),
                **vars(self._summary(study).cost),
            }
            for study in self._studies
        )

    @cached_property
    def units(self) -> pd.DataFrame:
        """A row per finished unit: every score with ``_low`` and ``_high``, sizes of its parts, what was decided."""
        return _frame(
            {**_of_study(study), **_of_unit(record), **_unit_row(record)}
            for study in self._studies
            for record in study.records
        )

    @cached_property
    def scores(self) -> pd.DataFrame:
        """A row per study and score.

        ``value`` and the limits ``low`` and ``high`` of its 95 % interval over patients are those of the leaderboard;
        ``std_folds`` is the standard deviation over the ``folds`` units in which it is defined.
        """
        return _frame(
            {
                **_of_study(study),
                "metric": name,
                "value": score.value,
                "low": score.low,
                "high": score.high,
                "std_folds": score.std_folds,
                "folds": score.folds,
            }
            for study in self._studies
            if (scores := self._summary(study).scores) is not None
            for name, score in scores.scores.items()
        )

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """A row per test slide and unit: truth, a probability ``p_<class>`` for each class, and the decision."""
        import pandas as pd

        frames = []
        for study in self._studies:
            if study.records:
                frame = self._store.predictions([record.unit_id for record in study.records])
                for place, (name, value) in enumerate(_of_study(study).items()):
                    frame.insert(place, name, value)
                frames.append(frame)
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()

    @cached_property
    def curves(self) -> pd.DataFrame:
        """A row per unit and line of its training curve: ``stage``, ``epoch``, losses and validation scores."""
        import pandas as pd

        frame = _frame(
            {**_of_study(study), **_of_unit(record), **row}
            for study in self._studies
            for record in study.records
            for row in self._store.curve(record.unit_id)
        )
        for name in frame.columns.drop(list(_NAMES), errors="ignore"):
            numbers = pd.to_numeric(frame[name], errors="coerce")
            if numbers.notna().eq(frame[name].notna() & frame[name].ne("")).all():
                frame[name] = numbers
        return frame

    @cached_property
    def costs(self) -> pd.DataFrame:
        """A row per unit and ``stage``: seconds, CPU- and GPU-hours, peak memory in 10^6 bytes; ``all`` is the unit."""
        return _frame(
            {**_of_study(study), **_of_unit(record), "stage": stage, **_numbers(cost), "gpu": record.compute.get("gpu")}
            for study in self._studies
            for record in study.records
            for stage, cost in {"all": record.compute, **record.compute.get("stages", {})}.items()
        )

    @property
    def damaged(self) -> pd.DataFrame:
        """Evidence that cannot be read, by ``name`` and ``reason``."""
        return _frame(vars(one) for one in self._damaged)

    def _summary(self, study: Study) -> Summary:
        if study.study_id not in self._summaries:
            self._summaries[study.study_id] = summarise(self._store, study)
        return self._summaries[study.study_id]


def load_studies(runs: str | Path = "runs", *, plugins: Sequence[str] = ()) -> Results:
    """All studies of a runs folder.

    Args:
        runs: the runs folder.
        plugins: files or modules with tasks and metrics that the studies need, as behind ``--plugin``.
    """
    from harness.plugins.kinds import registries

    first, *others = registries().values()
    for spec in plugins:
        first.use_plugin(spec, *others)
    store = RunStore(Path(runs).expanduser())
    return Results(store, *store.studies_and_broken())


def load_study(name: str, runs: str | Path = "runs", *, plugins: Sequence[str] = ()) -> Results:
    """One study of a runs folder.

    Args:
        name: its id, a beginning of it, or of the hash at its end.
        runs: see :func:`load_studies`.
        plugins: see :func:`load_studies`.

    Raises:
        UsageError: no study, or several, have that name.
        DataError: there is no study at all.
    """
    found = load_studies(runs, plugins=plugins)
    if not len(found):
        raise DataError("there is no study in the runs folder", place=str(runs), fix="run one, or name another folder")
    return Results(found._store, [find_study(found._studies, name, place="load_study")], found._damaged)


def _of_study(study: Study) -> dict[str, str]:
    return {name: getattr(study, name) for name in _STUDY}


def _of_unit(record: Record) -> dict[str, Any]:
    return {"unit_id": record.unit_id, **{name: record.spec[name] for name in _UNIT}}


def _unit_row(record: Record) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, score in record.scores.items():
        row |= {name: score.get("value"), f"{name}_low": score.get("low"), f"{name}_high": score.get("high")}
    row |= {f"{part}_slides": sizes.get("slides") for part, sizes in record.counts.items()}
    row |= {name: value for name, value in record.selection.items() if isinstance(value, int | float | str | None)}
    return row | {"started": record.started, "finished": record.finished}


def _numbers(cost: Mapping[str, Any]) -> dict[str, float | None]:
    names = ("wall_s", "cpu_hours", "gpu_hours", "peak_rss_mb", "peak_gpu_allocated_mb", "peak_gpu_used_mb")
    return {name: cost.get(name) for name in names}


def _frame(rows: Iterator[Mapping[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame.from_records([dict(row) for row in rows])
    unknown = [name for name in frame if frame[name].isna().all()]  # else None stays None in them
    return frame.astype(dict.fromkeys(unknown, float))
