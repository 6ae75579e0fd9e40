"""The codebook: k-means on features of training tiles, once, and fixed from then on."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from harness import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

RESTARTS = 5


def fit_codebook(features: NDArray[np.float32], words: int, seed: int) -> NDArray[np.float32]:
    """Centroids (K, d) of L2-normalised ``features`` (n, d); they are not normalised again.

    k-means++ with 5 restarts. One thread: scikit-learn adds up its threads' sums in the order in which they finish.

    Raises:
        DataError: fewer tiles than codewords.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    if len(features) < words:
        raise DataError(
            f"{len(features)} training tiles cannot make {words} codewords",
            place="hyper-parameter codewords",
            fix=f"--set codewords={max(1, len(features) // 4)}, or more training slides",
        )
    kmeans = KMeans(words, init="k-means++", n_init=RESTARTS, random_state=seed % 2**32)
    with threadpool_limits(1), warnings.catch_warnings():
        # Fewer distinct tiles than codewords: some codewords coincide and stay empty, which occupancy shows.
        warnings.simplefilter("ignore", ConvergenceWarning)
        kmeans.fit(np.ascontiguousarray(features, np.float32))
    return np.asarray(kmeans.cluster_centers_, np.float32)
