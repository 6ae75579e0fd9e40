"""Running one unit: train, choose the threshold on validation, predict the test slides, have them scored."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from harness.accounting.environment import environment
from harness.accounting.meter import Meter
from harness.contract.method import Method, Task
from harness.evaluation.threshold import choose_threshold
from harness.protocol.dataset import Dataset
from harness.protocol.seal import labels_for
from harness.protocol.splits import Fold
from harness.seeds import Seeds
from harness.training.run import Precision, Run

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.bags.source import BagSource
    from harness.contract.prediction import Prediction
    from harness.unit.inputs import Inputs
    from harness.unit.spec import UnitSpec


@dataclass(frozen=True)
class Split:
    """The three parts of a fold as bags; the test bags carry no labels."""

    fit: BagSource
    val: BagSource | None
    test: BagSource
