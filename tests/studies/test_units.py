"""Units that other processes end meanwhile."""

from __future__ import annotations

from types import SimpleNamespace

from harness.datasets.dataset import load_dataset
from harness.results.store import RunStore
from harness.studies.units import Units

UNITS = [SimpleNamespace(unit_id=f"unit-{number}") for number in range(3)]


class Store(RunStore):
    """A store in which a unit is done when it is said to be."""

    done: frozenset[str] = frozenset()

    def is_done(self, unit_id: str) -> bool:
        return unit_id in self.done


def test_a_unit_that_fails_elsewhere_meanwhile_is_not_tried_again_but_one_of_before_is(toy_dataset, tmp_path):
    store = Store(tmp_path)
    store.write_failure("unit-0", "before", study_id="study", spec={})
    dataset = load_dataset(toy_dataset)
    resolved = SimpleNamespace(dataset=dataset, splits=dataset.splits(), folds=(), units=UNITS)
    units = Units(resolved, SimpleNamespace(truth_of=None), store, "cpu")
    store.write_failure("unit-1", "meanwhile", study_id="study", spec={})
    store.done = frozenset({"unit-2"})
    assert [units.over_elsewhere(unit) for unit in UNITS] == [False, True, True]
    assert (units.n_elsewhere, units.n_failed) == (1, 1)
