"""What the weights of every epoch of a training predict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TEST, _VAL = "epochs_test", "epochs_val"


@dataclass(frozen=True)
class EpochPredictions:
    """Predictions after each of E epochs, in the order of the slides in the order of the unit.

    Attributes:
        stage: the stage that was watched, the last one.
        test: probabilities of the test slides, (E, n_test, C) float64.
        val: those of the validation slides, (E, n_val, C) float64; None where there are none.
    """

    stage: str
    test: NDArray[np.float64]
    val: NDArray[np.float64] | None

    def __len__(self) -> int:
        return len(self.test)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As arrays by name."""
        return {_TEST: self.test} | ({} if self.val is None else {_VAL: self.val})

    @classmethod
    def of(cls, stage: str, arrays: Mapping[str, NDArray[Any]]) -> EpochPredictions:
        """From what :meth:`arrays` gave.

        Raises:
            KeyError, ValueError: they are none.
        """
        test = np.asarray(arrays[_TEST], np.float64)
        val = np.asarray(arrays[_VAL], np.float64) if _VAL in arrays else None
        if test.ndim != 3 or not len(test) or (val is not None and (val.ndim != 3 or len(val) != len(test))):
            raise ValueError("the predictions of epochs have no such shape")
        return cls(str(stage), test, val)
