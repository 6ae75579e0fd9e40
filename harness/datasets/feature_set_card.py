"""Public sets of features that a dataset's card names: where they are on the hub, and what is known of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

# Numbers are strict: text such as "010" and true are none, and what no slide can have is refused.
Microns = Annotated[float, Field(strict=True, ge=0.01, le=1000, allow_inf_nan=False)]
"""Microns per pixel."""
Pixels = Annotated[int, Field(strict=True, ge=1, le=2**14)]
"""Side of a tile."""


class FeatureSetCard(BaseModel):
    """A set of features in a dataset repository of the Hugging Face hub.

    What is not known is left out.

    Attributes:
        title: one line.
        hub: the repository, as ``owner/name``.
        revision: commit (40 hexadecimal digits); None takes that of ``main`` when it is first fetched.
        files: files of the repository: with ``{slide}`` one for each slide, else by name, with ``*`` and ``?``.
        beside: files of coordinates, with ``{slide}``; a slide may have none.
        members: where ``files`` are ``.tar.gz`` archives, patterns of those of their members that are unpacked.
        format: the format that the features are in, as ``bench datasets new`` names it.
        encoder: what made them, with what pins pooling and weights.
        dim: feature width; None where nobody says.
        tile_px: side of a tile in pixels.
        mpp: microns per pixel of these pixels.
        magnification: nominal objective power; no statement about microns.
        match: what is ignored when ids of the label table are compared with names of files.
        own_slides: the set names its slides in its own way and brings labels: it becomes a dataset of its own.
        licence: of the features; that of the encoder applies beside it.
        gated: whether terms have to be accepted on the repository's page.
        note: what a reader of results on it has to know.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    hub: Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*$")]
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")] | None = None
    files: Annotated[tuple[str, ...], Field(min_length=1)]
    beside: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    format: str
    encoder: str = "unknown"
    dim: Annotated[int, Field(strict=True, ge=1, le=2**20)] | None = None
    tile_px: Pixels | None = None
    mpp: Microns | None = None
    magnification: Annotated[float, Field(gt=0, le=400, allow_inf_nan=False)] | None = None
    match: tuple[Literal["case", "extension", "patches", "zeros", "barcode"], ...] = ()
    own_slides: bool = False
    licence: str
    gated: Literal["no", "terms", "approval", "unknown"] = "unknown"
    note: str = ""

    def problems(self) -> Iterator[str]:
        """What is wrong with the fields together."""
        for pattern in (*self.files, *self.beside):
            if pattern.startswith("/") or ".." in pattern.split("/"):
                yield f"{pattern!r} is no path within a repository"
            if pattern.count("{slide}") > 1 or "{slide}" in pattern.rpartition("/")[0]:
                yield f"{pattern!r} has {{slide}} elsewhere than once in the name of the file"
        if any("{slide}" not in pattern for pattern in self.beside):
            yield "beside has files without {slide}"
        if self.members and any("{slide}" in pattern for pattern in self.files):
            yield "archives hold several slides: files cannot have {slide} beside members"
