"""Taking turns: processes that run units of one study into one runs folder run each of them once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from harness import console
from harness.tracking.claims import Claims

if TYPE_CHECKING:
    from harness.launch.child import Errand
    from harness.tracking.store import RunStore
    from harness.unit.spec import UnitSpec

_LOOK_S = 0.5


class Turns:
    """Deals out units that nobody else runs; at the end looks after those that somebody else did run.

    Args:
        store: where evidence goes.
        units: the units to run.
        claims: holds what this process runs.
        moved: called for every unit that another process has ended.

    Attributes:
        left: units that another process was running when their turn came.
        n_done: units that other processes have done meanwhile.
        n_failed: units that failed in other processes meanwhile; they are not tried again here.
    """

    def __init__(
        self, store: RunStore, units: Sequence[UnitSpec], claims: Claims, moved: Callable[[], None] = lambda: None
    ) -> None:
        self.left = list(units)
        self.n_done = 0
        self.n_failed = 0
        self._told = False
        self._store = store
        self._claims = claims
        self._moved = moved
        self._failed_before = {unit.unit_id: store.attempts(unit.unit_id) for unit in units}

    def tasks(self, errand: Callable[[UnitSpec], Errand]) -> Iterator[tuple[UnitSpec, Callable[[], Errand]]]:
        """Units whose turn it is, each claimed. It waits for nobody: what it leaves out stays in ``left``."""
        units, self.left = self.left, []
        for unit in units:
            if not self._claims.take(self._store.unit_folder(unit.unit_id)):
                self.left.append(unit)
            elif self._ended_elsewhere(unit):
                self.ended(unit)
                self._moved()
            else:
                yield unit, partial(errand, unit)

    def ended(self, unit: UnitSpec) -> None:
        """A unit has ended, and its evidence is written."""
        self._claims.release(self._store.unit_folder(unit.unit_id))

    def wait(self) -> None:
        """Wait until the turn of a unit that is left, if any, has come: its process has ended it, or is gone."""
        if self.left and not self._told:
            console.note(f"waiting for {console.count(len(self.left), 'unit')} that other processes are running")
            self._told = True
        folders = [self._store.unit_folder(unit.unit_id) for unit in self.left]
        while folders and not any(self._claims.take(folder) for folder in folders):
            time.sleep(_LOOK_S)

    def _ended_elsewhere(self, unit: UnitSpec) -> bool:
        """Whether another process has ended a unit since we began: done, or failed, which it would here too."""
        if self._store.is_done(unit.unit_id):
            self.n_done += 1
        elif self._store.attempts(unit.unit_id) > self._failed_before[unit.unit_id]:
            self.n_failed += 1
        else:
            return False
        return True
