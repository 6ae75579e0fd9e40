"""Result tables as papers print them, from drawn predictions: none of their numbers is impossible.

``python -m support.printed_tables 10000`` (from ``tests``) audits so many tables, and as many with one changed digit.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass

import numpy as np

from harness.evaluation.audit_table import Design, Finding, audit
from harness.evaluation.printed import Printed


@dataclass(frozen=True)
class PrintedRow:
    """A printed score with the design that it comes from."""

    metric: str
    value: str
    std: str | None
    percent: bool
    design: Design

    def audited(self) -> Finding:
        std = None if self.std is None else Printed.of(self.std, percent=self.percent)
        return audit(self.metric, Printed.of(self.value, percent=self.percent), std, self.design)

    def with_changed_digit(self, rng: np.random.Generator) -> PrintedRow:
        """Another digit somewhere behind the point (or, of a percentage, anywhere)."""
        places = [k for k, sign in enumerate(self.value) if sign.isdigit()][0 if self.percent else 1 :]
        place = int(rng.choice(places))
        digit = (int(self.value[place]) + int(rng.integers(1, 10))) % 10
        value = f"{self.value[:place]}{digit}{self.value[place + 1 :]}"
        return PrintedRow(self.metric, value, self.std, self.percent, self.design)


def honest_table(rng: np.random.Generator) -> list[PrintedRow]:
    """Two methods in accuracy, AUC and a third score, printed with one number of digits."""
    n_pos, n_neg = (int(k) for k in rng.integers(8, rng.choice([30, 80, 200]), size=2))
    folds, repeats = int(rng.choice([1, 1, 2, 3, 4, 5, 10])), int(rng.choice([1, 1, 2, 3, 5]))
    folds = min(folds, n_pos, n_neg)
    if rng.random() < 0.3:  # folds of equal sizes
        n_pos, n_neg = n_pos - n_pos % folds, n_neg - n_neg % folds
    places, percent = int(rng.integers(2, 5)), bool(rng.random() < 0.5)
    rows = []
    for _ in range(2):
        signal = rng.uniform(0, 3)
        parts = [_run(rng, n_pos, n_neg, folds, signal) for _ in range(repeats)]
        for metric in (
            "accuracy",
            "auc",
            str(rng.choice(["sensitivity", "specificity", "balanced_accuracy", "error"])),
        ):
            pooled = bool(rng.random() < 0.3)
            runs = [
                [_score(metric, *np.concatenate(run, axis=1))] if pooled else [_score(metric, *f) for f in run]
                for run in parts
            ]
            every = np.array(runs)
            choices = [every.ravel(), every.mean(axis=1), every.mean(axis=0)]
            over = [one for one in choices if len(one) > 1]
            std = (
                None if not over or rng.random() < 0.3 else over[rng.integers(len(over))].std(ddof=int(rng.integers(2)))
            )
            design = Design(
                n=n_pos + n_neg,
                n_pos=n_pos,
                folds=folds,
                repeats=repeats,
                stratified=True,
                average=None if rng.random() < 0.5 else "pooled" if pooled else "folds",
            )
            shown = [
                f"{x * (100 if percent else 1):.{places - (2 if percent else 0)}f}" for x in (every.mean(), std or 0.0)
            ]
            rows.append(PrintedRow(metric, shown[0], None if std is None else shown[1], percent, design))
    return rows


def _run(rng: np.random.Generator, n_pos: int, n_neg: int, folds: int, signal: float) -> list[np.ndarray]:
    """Labels and scores (ties among them) of each fold, shape (2, n)."""
    label = np.r_[np.ones(n_pos), np.zeros(n_neg)]
    score = np.round(label * signal + rng.normal(size=len(label)), int(rng.integers(0, 4)))
    order = np.r_[rng.permutation(n_pos), n_pos + rng.permutation(n_neg)]
    return [np.stack([label, score])[:, order[k::folds]] for k in range(folds)]


def _score(metric: str, label: np.ndarray, score: np.ndarray) -> float:
    hit = (score > 0.8) == (label > 0)
    recall = hit[label > 0].mean(), hit[label == 0].mean()
    if metric == "auc":
        apart = score[label > 0][:, None] - score[label == 0][None]
        return float((apart > 0).mean() + (apart == 0).mean() / 2)
    return {
        "accuracy": hit.mean(),
        "error": 1 - hit.mean(),
        "sensitivity": recall[0],
        "specificity": recall[1],
        "balanced_accuracy": (recall[0] + recall[1]) / 2,
    }[metric]


def count(tables: int, seed: int = 0) -> tuple[Counter[str], Counter[str]]:
    """Verdicts on the rows of honest tables, and on tables in which a digit of one of their checked rows is changed."""
    rng = np.random.default_rng(seed)
    honest: Counter[str] = Counter()
    changed: Counter[str] = Counter()
    for _ in range(tables):
        rows = honest_table(rng)
        verdicts = [row.audited().verdict for row in rows]
        honest.update(verdicts)
        row = rows[int(rng.integers(len(rows)))].with_changed_digit(rng)
        changed[row.audited().verdict] += 1
    return honest, changed


if __name__ == "__main__":
    for name, counts in zip(("honest rows", "rows with a changed digit"), count(int(sys.argv[1])), strict=True):
        sys.stdout.write(f"{name}: {dict(counts)}\n")
