"""Slides and bags that are nearly the same: which pairs, and by what measure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from harness.protocols.bag_rows import shared_rows
from harness.protocols.perceptual import BITS, near_pairs
from harness.protocols.profiles import FOUND, PROFILE_CELL, column_profiles, row_profiles

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

Measure = Literal["thumbnails", "rows", "row profiles", "column profiles", "registration"]

SHARE = 0.5
"""Bags that share more than this part of the smaller one's distinct rows are copies of each other.

Measured over all pairs of different bags: by chance they share up to 50 % in MUSK1 (4,186 pairs; one row of a bag of
two), 12 % in MUSK2 (5,151) and 7 % in colon-nuclei (4,753). Drawn bags of which none is a copy share at most 30 %, of
which: normal, Cauchy and log-normal features of 1 to 64 columns, sparse, one-hot, binary, whole-numbered and constant
ones, with single values up to 1e38 in some rows or in every bag, and a column that is a million times larger than the
others. A copy of a bag through float16 keeps 97 % of the rows or more, half a bag is found whole, and a copy with noise
of 1 % of the typical distance from the centre keeps 75 to 90 % (of sparse features 27 %, so that it is not found).
Bags of few columns or few distinct values share by chance what copies share; they are not reported.
"""


CERTAIN = 0.65
"""Bags with more than this part of their profiles in common are copies; from :data:`SHARE` on it is suspected.

Profiles are of rows, or of columns (:mod:`harness.protocols.profiles`). Measured over all pairs of different bags they
have up to 0 % and 6 % of them in common in MUSK1 and 0 % and 10 % in MUSK2, and in drawn features of the kinds above
up to 7 %. Found were all copies of bags with eight rows or more that were negated, scaled, centred, L2-normalised,
layer- normalised, z-scored or min-max scaled, over the bag or over all bags, or given other signs per column; with
rows or columns in another order, and through float16. Rotations of the feature space (PCA, whitening) are not found,
nor are z-scores of sparse or whole-numbered features, whose rows and columns have no profile. Features of rank one
(all rows multiples of a single one) can be accused without reason.
"""


_SHARED = {
    "rows": "rows",
    "row profiles": "rows, up to sign, scale and the order of the columns",
    "column profiles": "columns, up to sign, scale, offset and the order of the rows",
}


@dataclass(frozen=True)
class NearDuplicate:
    """Two slides that are nearly the same.

    Attributes:
        one, other: slide ids.
        measure: what was compared.
        value: of thumbnails, in how many of 255 bits they differ; of rows and profiles, the part of the smaller bag
            that they share; of registration, the correlation of the registered thumbnails.
        picture: both thumbnails side by side, where there is one.
    """

    one: str
    other: str
    measure: Measure
    value: float
    picture: Path | None = None

    @property
    def pair(self) -> frozenset[str]:
        """Both slides."""
        return frozenset((self.one, self.other))

    @property
    def words(self) -> str:
        """What they have in common."""
        if self.measure == "thumbnails":
            return f"their thumbnails differ in {self.value:.0f} of {BITS} bits"
        if self.measure == "registration":
            shown = "" if self.picture is None else f"; see {self.picture}"
            return f"turned and shifted onto each other, their thumbnails correlate by {self.value:.2f}{shown}"
        return f"they share {self.value:.0%} of their {_SHARED[self.measure]}"


@dataclass(frozen=True)
class Comparison:
    """What a comparison of all slides with each other has found.

    Attributes:
        measure: what was compared.
        pairs: near-duplicates.
        compared: how many pairs of slides were compared.
        unknown: slides that could not be compared.
        excepted: near-duplicates that the card declares to be different slides.
        suspected: pairs that may be the same slide, or sections of one block: to be looked at.
    """

    measure: Measure
    pairs: tuple[NearDuplicate, ...]
    compared: int
    unknown: tuple[str, ...] = ()
    excepted: tuple[NearDuplicate, ...] = ()
    suspected: tuple[NearDuplicate, ...] = ()

    def without(self, declared: Collection[Sequence[str]]) -> Comparison:
        """The same, with the pairs that are ``declared`` different set apart."""
        known = {frozenset(pair) for pair in declared}
        return replace(
            self,
            pairs=tuple(pair for pair in self.pairs if pair.pair not in known),
            suspected=tuple(pair for pair in self.suspected if pair.pair not in known),
            excepted=(*self.excepted, *(one for one in (*self.pairs, *self.suspected) if one.pair in known)),
        )


def compare_thumbnails(hashes: Mapping[str, str]) -> Comparison:
    """Compare slides by the perceptual hashes of their thumbnails.

    Args:
        hashes: slide id → :func:`harness.protocols.perceptual.perceptual_hash`; empty where it is unknown.
    """
    slides = [slide for slide, text in hashes.items() if text]
    found = near_pairs([hashes[slide] for slide in slides])
    pairs = tuple(NearDuplicate(slides[i], slides[j], "thumbnails", float(bits)) for i, j, bits in found)
    return Comparison("thumbnails", pairs, _pairs(len(slides)), tuple(slide for slide in hashes if not hashes[slide]))


def compare_bags(slides: Sequence[str], bag_of: Callable[[str], NDArray[Any]]) -> Comparison:
    """Compare bags by their rows: feature vectors, or small pictures of patches.

    Rows that are equal up to rounding are looked for first, then rows and columns with equal profiles.

    Args:
        slides: slide ids.
        bag_of: slide id → (n, D); asked for several times.
    """
    shared = shared_rows([lambda slide=slide: bag_of(slide) for slide in slides])  # type: ignore[misc]
    found = {(i, j): NearDuplicate(slides[i], slides[j], "rows", share) for i, j, share in shared if share > SHARE}
    suspected: dict[tuple[int, int], NearDuplicate] = {}
    for measure, profile in _PROFILES.items():
        profiles = [profile(bag_of(slide)) for slide in slides]
        bags = [lambda rows=rows: rows for rows in profiles]
        for i, j, share in shared_rows(bags, cell=PROFILE_CELL, least=FOUND):
            if share > SHARE and (i, j) not in found:
                target = found if share > CERTAIN else suspected
                target[i, j] = NearDuplicate(slides[i], slides[j], measure, share)
    unsure = tuple(pair for key, pair in suspected.items() if key not in found)
    return Comparison("rows", tuple(found.values()), _pairs(len(slides)), suspected=unsure)


_PROFILES: dict[Measure, Callable[[NDArray[Any]], NDArray[np.float64]]] = {
    "row profiles": row_profiles,
    "column profiles": column_profiles,
}


def _pairs(count: int) -> int:
    return count * (count - 1) // 2
