"""What a user or a card declares about features, against what the files state: a contradiction is an error."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

from harness.core.errors import DataError
from harness.encoders.spelling import canonical, same, width_problem
from harness.features.formats.base import Facts, SlideFeatures

MPP_TOLERANCE = 0.2
"""Resolutions that differ by less than this part are the same: scanners that are all called 20x differ by as much. What
is another step of a pyramid differs by half."""


@dataclass(frozen=True)
class Declared:
    """Facts that somebody declares; None where nothing is said.

    Attributes:
        facts: encoder, tile size, resolution, magnification.
        dim: feature width.
        by: who says so, for errors.
    """

    facts: Facts = field(default_factory=Facts)
    dim: int | None = None
    by: str = "--encoder"

    def with_files(self, stated: Facts, hints: Facts, dim: int, place: str) -> Self:
        """These facts, and where they are silent those that the files state, else those that folder names suggest.

        Raises:
            DataError: they contradict what the files state, or the width is not that of the encoder.
        """
        self.check(stated, dim, place)
        if self.facts.encoder and hints.encoder and not stated.encoder and not same(self.facts.encoder, hints.encoder):
            raise _contradiction("encoder", self.by, self.facts.encoder, "the folder's name", hints.encoder, place)
        known = hints.stated() | stated.stated() | self.facts.stated()
        encoder = known.pop("encoder", None)
        if encoder is not None and (problem := width_problem(str(encoder), dim)):
            raise DataError(problem, place=place, fix="name the encoder that made these features with --encoder")
        name = None if encoder is None else canonical(str(encoder), dim)
        return type(self)(Facts(encoder=name, **known), dim, self.by)  # type: ignore[arg-type]

    def check(self, stated: Facts, dim: int, place: str) -> None:
        """Compare with what the file of one slide states.

        Raises:
            DataError: both values are shown.
        """
        ours, theirs = self.facts, stated
        if self.dim is not None and dim != self.dim:
            raise DataError(
                f"the features have {dim} columns, wanted {self.dim} as {self.by} says",
                place=place,
                fix="make features of one encoder for all slides, or leave the slide out with --partial",
            )
        if ours.encoder and theirs.encoder and not same(ours.encoder, theirs.encoder):
            raise _contradiction("encoder", self.by, ours.encoder, "the file", theirs.encoder, place)
        if ours.tile_px and theirs.tile_px and ours.tile_px != theirs.tile_px:
            raise _contradiction("tile size in pixels", self.by, ours.tile_px, "the file", theirs.tile_px, place)
        for what, one, other in (
            ("resolution in microns per pixel", ours.mpp, theirs.mpp),
            ("magnification", ours.magnification, theirs.magnification),
        ):
            if one and other and abs(one - other) > MPP_TOLERANCE * max(one, other):
                raise _contradiction(what, self.by, round(one, 4), "the file", round(other, 4), place)


def with_resolution(found: SlideFeatures, mpp: float | None, tile_px: int | None, place: str) -> SlideFeatures:
    """Features with the resolution of their tiles, from that of the slide's level 0 where the files state none.

    A tile of ``tile_px`` pixels that covers ``side`` pixels of level 0 has ``mpp * side / tile_px`` microns per pixel.

    Args:
        found: what was read.
        mpp: microns per pixel of the slide's level 0, from the label table; None where it does not say.
        tile_px: side of a tile as it is declared; None takes that of the file.
        place: the file, for errors.

    Raises:
        DataError: the file states another resolution than follows.
    """
    px = found.facts.tile_px or tile_px
    if mpp is None or px is None or found.side is None or found.unit != "level0_px":
        return found
    follows = mpp * found.side / px
    stated = found.facts.mpp
    if stated is None:
        return replace(found, facts=replace(found.facts, mpp=follows))
    if abs(stated - follows) > MPP_TOLERANCE * max(stated, follows):
        by = "the column of microns per pixel of the label table"
        raise _contradiction(
            "resolution in microns per pixel", by, round(follows, 4), "the file", round(stated, 4), place
        )
    return found


def _contradiction(what: str, by: str, one: object, where: str, other: object, place: str) -> DataError:
    return DataError(
        f"the {what} is {one} by {by} and {other} by {where}",
        place=place,
        fix="correct what is declared, or give the features that are meant",
    )
