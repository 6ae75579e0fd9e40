"""Slides and bags that are nearly the same: which pairs, and by what measure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from harness.protocol.bag_rows import shared_rows
from harness.protocol.perceptual import BITS, near_pairs

if TYPE_CHECKING:
    from numpy.typing import NDArray

Measure = Literal["thumbnails", "rows"]

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


@dataclass(frozen=True)
class NearDuplicate:
    """Two slides that are nearly the same.

    Attributes:
        one, other: slide ids.
        measure: what was compared.
        value: of thumbnails, in how many of 255 bits they differ; of rows, the part of the smaller bag that they share.
    """

    one: str
    other: str
    measure: Measure
    value: float

    @property
    def pair(self) -> frozenset[str]:
        """Both slides."""
        return frozenset((self.one, self.other))

    @property
    def words(self) -> str:
        """What they have in common."""
        if self.measure == "thumbnails":
            return f"their thumbnails differ in {self.value:.0f} of {BITS} bits"
        return f"they share {self.value:.0%} of their rows"


@dataclass(frozen=True)
class Comparison:
    """What a comparison of all slides with each other has found.

    Attributes:
        measure: what was compared.
        pairs: near-duplicates.
        compared: how many pairs of slides were compared.
        unknown: slides that could not be compared.
        excepted: near-duplicates that the card declares to be different slides.
    """

    measure: Measure
    pairs: tuple[NearDuplicate, ...]
    compared: int
    unknown: tuple[str, ...] = ()
    excepted: tuple[NearDuplicate, ...] = ()

    def without(self, declared: Collection[Sequence[str]]) -> Comparison:
        """The same, with the pairs that are ``declared`` different set apart."""
        known = {frozenset(pair) for pair in declared}
        return replace(
            self,
            pairs=tuple(pair for pair in self.pairs if pair.pair not in known),
            excepted=(*self.excepted, *(pair for pair in self.pairs if pair.pair in known)),
        )


def compare_thumbnails(hashes: Mapping[str, str]) -> Comparison:
    """Compare slides by the perceptual hashes of their thumbnails.

    Args:
        hashes: slide id → :func:`harness.protocol.perceptual.perceptual_hash`; empty where it is unknown.
    """
    slides = [slide for slide, text in hashes.items() if text]
    found = near_pairs([hashes[slide] for slide in slides])
    pairs = tuple(NearDuplicate(slides[i], slides[j], "thumbnails", float(bits)) for i, j, bits in found)
    return Comparison("thumbnails", pairs, _pairs(len(slides)), tuple(slide for slide in hashes if not hashes[slide]))


def compare_bags(slides: Sequence[str], bag_of: Callable[[str], NDArray[Any]]) -> Comparison:
    """Compare bags by their rows: feature vectors, or small pictures of patches.

    Args:
        slides: slide ids.
        bag_of: slide id → (n, D); asked for twice.
    """
    found = shared_rows([lambda slide=slide: bag_of(slide) for slide in slides])  # type: ignore[misc]
    pairs = tuple(NearDuplicate(slides[i], slides[j], "rows", share) for i, j, share in found if share > SHARE)
    return Comparison("rows", pairs, _pairs(len(slides)))


def _pairs(count: int) -> int:
    return count * (count - 1) // 2
