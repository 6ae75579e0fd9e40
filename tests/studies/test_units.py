"""Units that other processes end meanwhile."""

from __future__ import annotations

from types import SimpleNamespace

from harness.datasets.dataset import load_dataset
from harness.results.store import RunStore
from harness.studies.units import Units

NAMES = ["unit-0", "unit-1", "unit-2"]
UNITS = [SimpleNamespace(unit_id=name) for name in NAMES]


class Store(RunStore):
    """A store in which a unit is done when it is said to be."""

    done: frozenset[str] = frozenset()

    def is_done(self, unit_id: str) -> bool:
        return unit_id in self.done


def test_a_unit_that_fails_elsewhere_meanwhile_is_not_tried_again_but_one_of_before_is(toy_dataset, tmp_path):
    store = Store(tmp_path)
    store.write_failure("unit-0", "before", study_id="study", spec={})
    dataset = load_dataset(toy_dataset)
    resolved = SimpleNamespace(dataset=dataset, splits=dataset.splits(), folds=(), units=UNITS, study_id="study")
    units = Units(resolved, SimpleNamespace(truth_of=None), store, "cpu", todo=UNITS)
    store.write_failure("unit-1", "meanwhile", study_id="study", spec={})
    store.done = frozenset({"unit-2"})
    assert [units.found(name) for name in NAMES] == [False, True, True]
    assert (units.n_elsewhere, units.n_failed) == (1, 1)
