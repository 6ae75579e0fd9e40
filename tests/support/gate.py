"""Seeds of references whose outcome is drawn."""

from __future__ import annotations

import numpy as np

from harness.core.seeds import derive_seed
from harness.gate.measure import SeedRun

SPREAD = 0.02


def drawn_run(name: str, seed: int, *, sigmas: float = 0.0, slower: float = 1.0, larger: float = 1.0) -> SeedRun:
    """A run around an AUC of 0.9 and a log loss of 0.4.

    Args:
        name, seed: what is drawn follows from them.
        sigmas: how many spreads the scores are worse.
        slower, larger: factors on time and memory.
    """
    rng = np.random.default_rng(derive_seed(name, seed))
    auc, log_loss = rng.normal([0.9 - sigmas * SPREAD, 0.4 + sigmas * SPREAD], SPREAD)
    speed, memory = np.exp(rng.normal(0, [0.05, 0.01]))
    return SeedRun(
        seed=seed,
        scores={"auc": float(auc), "accuracy": 0.8, "log_loss": float(log_loss)},
        cpu_s=float(2.0 * slower * speed),
        calibration_s=0.2,
        peak_rss_mb=float(400 * larger * memory),
    )
