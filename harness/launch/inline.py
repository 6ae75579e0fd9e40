"""The inline launcher: units one after the other in this process."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from harness import console
from harness.errors import BenchError

if TYPE_CHECKING:
    from harness.unit.spec import UnitSpec


def run_inline(
    units: Iterable[UnitSpec],
    run: Callable[[UnitSpec], None],
    failed: Callable[[UnitSpec, str, str], None],
    *,
    after: Callable[[], None],
) -> None:
    """Run every unit; one that fails is reported and the others go on.

    Args:
        units: the units that are not done yet.
        run: runs one unit and stores its evidence.
        failed: is told of a unit that failed: (unit, reason, traceback).
        after: is called after each unit, whatever became of it.
    """
    for unit in units:
        try:
            run(unit)
        except Exception as error:  # a unit is user code: whatever it raises must not stop the others
            reason = str(error) if isinstance(error, BenchError) else f"{type(error).__name__}: {error}"
            console.warn(f"unit {unit.unit_id} failed: {reason}")
            failed(unit, reason, traceback.format_exc())
        after()
