"""Scores by site: the score of a study on the slides of one hospital."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from harness.core.errors import BenchError
from harness.datasets.catalog import find_dataset
from harness.datasets.dataset import SITE_COLUMN
from harness.evaluation.rows import mean_of_defined
from harness.leaderboard_site.content import SiteScore

if TYPE_CHECKING:
    from harness.evaluation.rows import Rows


@cache
def sites_of(dataset: str) -> Mapping[str, str]:
    """Slide → site, as the dataset's label table has it; empty where the dataset or the column is not there."""
    try:
        found = find_dataset(dataset)
    except BenchError:  # the evidence is of a dataset that this machine does not have
        return {}
    column = found.card.site or SITE_COLUMN
    sites = {slide: entry.extra.get(column, "") for slide, entry in found.by_slide.items()}
    return {slide: site for slide, site in sites.items() if site}


def site_scores(data: Rows, metric: str, sites: Mapping[str, str]) -> tuple[SiteScore, ...]:
    """The score on the slides of each site, by name: the mean over runs, with the folds of a run put together.

    The folds are pooled because few of them test enough slides of one site. Empty with fewer than two sites.
    """
    slides = data.columns().get("slide")
    if slides is None or not sites:
        return ()
    where = np.array([sites.get(str(slide), "") for slide in slides])
    names = sorted({name for name in where.tolist() if name})
    if len(names) < 2:
        return ()
    return tuple(_score(data.only(np.flatnonzero(where == name)), metric, name) for name in names)


def _score(data: Rows, metric: str, site: str) -> SiteScore:
    one = np.ones((1, len(data)))
    runs = [data.scores([np.concatenate(folds)], one)[metric] for folds in data.runs()]
    value = float(mean_of_defined(runs)[0])
    slides = len(np.unique(data.columns()["slide"]))
    return SiteScore(site=site, slides=slides, value=value if math.isfinite(value) else None)
