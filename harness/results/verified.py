"""Verification of the studies of a runs folder: every number is computed again from the files and compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from harness.core.errors import BenchError, DataError
from harness.datasets.catalog import named_dataset
from harness.results.access_log import AccessLog
from harness.results.evidence_files import read_record
from harness.results.summary import study_predictions
from harness.results.unit_facts import known_facts, read_facts, read_rows_of
from harness.verification.accesses import siblings
from harness.verification.expected import Expected, expected
from harness.verification.finding import Verification
from harness.verification.study import check_study

if TYPE_CHECKING:
    from harness.datasets.dataset import Dataset
    from harness.evaluation.study_scores import StudyScores
    from harness.results.store import RunStore
    from harness.results.studies import Study
    from harness.verification.accesses import Access


def verify_study(store: RunStore, study: Study, *, dataset: Dataset | None = None, deep: bool = False) -> Verification:
    """Verify one study; see :class:`Verifier`, which does several at less cost."""
    return Verifier(store, dataset=dataset, deep=deep).study(study)


class Verifier:
    """Verifies studies of a runs folder.

    Args:
        store: the evidence.
        dataset: what studies on a dataset of its name are compared with; None looks each up in the catalogue.
        deep: whether every file is read, whatever the index says; else a file is read where it has changed since.
        studies: all studies of the folder, where they were just read.
    """

    def __init__(
        self,
        store: RunStore,
        *,
        dataset: Dataset | None = None,
        deep: bool = False,
        studies: Sequence[Study] | None = None,
    ) -> None:
        self._store = store
        self._studies = studies
        self._dataset = dataset
        self._deep = deep
        self._datasets: dict[str, Dataset | None] = {}
        self._cards: dict[tuple[str, str, str], Expected | None] = {}

    def study(self, study: Study, scores: StudyScores | None = None) -> Verification:
        """Verify a study.

        Args:
            study: the study, from this store.
            scores: what its predictions come to, where that is known; else it is computed.
        """
        if self._deep:
            facts = {record.unit_id: read_facts(self._store, record) for record in study.records}
        else:
            facts = known_facts(self._store, study.records)
        if scores is None:
            scores = _scores(self._store, study)
        return check_study(
            study,
            facts,
            card=self._card(study),
            log=self._log,
            unknown=self._unknown_to(study),
            unreadable={name: _problem(self._store, name) for name in study.damaged},
            scores=scores,
            rows=lambda record: read_rows_of(self._store, record),
        )

    @cached_property
    def _log(self) -> Mapping[str, Sequence[Access]]:
        return AccessLog(self._store.root).lines()

    def _unknown_to(self, study: Study) -> tuple[str, ...]:
        """:attr:`_unknown`, as far as it matters to the study. Other studies are read where there is a suspicion."""
        if self._studies is None and study.records:
            own = {*(study.planned or ()), *(record.unit_id for record in study.records)}
            if not any(siblings(study.records[0], (name for name in self._log if name not in own))):
                return ()
        return self._unknown

    @cached_property
    def _unknown(self) -> tuple[str, ...]:
        """Accessors of the log that no plan and no unit of the runs folder has."""
        unknown = self._log if self._studies is None else self._unknown_in(self._studies)
        # Read after the log: what was begun meanwhile is in a plan by now.
        return self._unknown_in(self._store.studies(), unknown) if unknown else ()

    def _unknown_in(self, studies: Sequence[Study], names: Iterable[str] | None = None) -> tuple[str, ...]:
        known = {name for study in studies for name in study.planned or ()}
        known |= {record.unit_id for study in studies for record in study.records}
        return tuple(name for name in (self._log if names is None else names) if name not in known)

    def _card(self, study: Study) -> Expected | None:
        if not study.records:
            return None
        spec = study.records[0].spec
        key = (str(spec["dataset"]), str(spec["protocol"]), str(spec.get("split_sha256", "")))
        if key not in self._cards:
            dataset = self._called(key[0])
            self._cards[key] = None if dataset is None else expected(dataset, *key[1:])
        return self._cards[key]

    def _called(self, name: str) -> Dataset | None:
        if self._dataset is not None and self._dataset.name == name:
            return self._dataset
        if name not in self._datasets:
            self._datasets[name] = named_dataset(name)
        return self._datasets[name]


def _problem(store: RunStore, unit_id: str) -> str:
    try:
        read_record(store.unit_folder(unit_id))
    except DataError as error:
        return error.problem
    return "it could not be read a moment ago"


def _scores(store: RunStore, study: Study) -> StudyScores | None:
    """The scores of a study without intervals; None where its predictions cannot be read."""
    from harness.evaluation.study_scores import study_scores

    if not study.stored_scores:
        return None
    try:
        data = study_predictions(store, study)
        return None if data is None else study_scores(data, resamples=1)
    except (BenchError, OSError, ValueError, IndexError):
        return None
