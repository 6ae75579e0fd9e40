"""Reading patch images from a folder, or straight from the archive that they came in."""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from harness.core.errors import DataError
from harness.core.hashing import sha256_json
from harness.datasets.content import Content, ContentHashes
from harness.datasets.dataset import Dataset
from harness.datasets.hash_all import checked, hash_all, say_changed
from harness.datasets.identity import spelling
from harness.datasets.listing import list_files
from harness.datasets.locate import get_text
from harness.datasets.source_fields import PatchesSource
from harness.datasets.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LARGEST = 16 << 20
"""Bytes: no patch is larger, and an archive that says otherwise is not unpacked."""


@dataclass(frozen=True)
class ImageSource:
    """Where the images are.

    Attributes:
        root: the data root.
        files: image → file, when they lie in a folder.
        archive: the archive, when they do not.
        members: spelling of the path of each image in the archive → image.
    """

    root: Path
    files: Mapping[str, Path]
    archive: Path | None
    members: Mapping[str, str]

    def content(self) -> Content:
        """What the files, or the archive, hold.

        Raises:
            DataError: one of them cannot be read.
        """
        place, files = (self.root, tuple(self.files.values())) if self.archive is None else (self.archive, None)
        found = hash_all(
            {"patches": place},
            lambda path: (path,) if files is None else files,
            ContentHashes(),
            label="hashing patches (MiB)",
        )
        say_changed(found)
        return checked(found["patches"])

    def key(self, content: Content) -> str:
        """Identity of all images: which they are, and what each holds."""
        if self.archive is not None:
            return content.hash
        files = {path.absolute(): image for image, path in self.files.items()}
        return sha256_json({files[path]: one.hash for path, one in content.files.items()})

    def read(self) -> Iterator[tuple[str, BinaryIO, str]]:
        """Every image once: its name, its bytes, and where they are (for errors).

        Raises:
            DataError: the archive is damaged.
        """
        if self.archive is None:
            for image, path in self.files.items():
                with path.open("rb") as file:
                    yield image, file, str(path)
            return
        try:
            with tarfile.open(self.archive, "r:*") as tar:
                for member in tar:
                    name = self._image(member)
                    content = tar.extractfile(member) if name is not None else None
                    if name is not None and content is not None:
                        yield name, io.BytesIO(content.read()), f"{self.archive}, {member.name}"
        except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as reason:
            raise DataError(
                f"the archive is damaged: {reason}", place=str(self.archive), fix="get the archive again"
            ) from reason

    def _image(self, member: tarfile.TarInfo) -> str | None:
        """The image that a member holds: its path, or the end of it, is one that the card names."""
        if not member.isfile() or member.size > _LARGEST:
            return None
        parts = [part for part in spelling(member.name).split("/") if part not in {"", "."}]
        tails = ("/".join(parts[start:]) for start in range(len(parts)))
        return next((self.members[tail] for tail in tails if tail in self.members), None)


def find_images(dataset: Dataset, root: Path, images: Sequence[str]) -> ImageSource:
    """Where ``images`` are: in a folder if it holds all of them, else in the archive.

    Raises:
        DataError: neither; says how many are missing, and where to get them.
    """
    source = dataset.card.source
    assert isinstance(source, PatchesSource)
    listing = list_files(root)
    files: dict[str, Path] = {}
    for image in images:
        for pattern in source.images:
            if written := listing.files.get(spelling(pattern.format(image=image))):
                files.setdefault(image, root / written[0])
    if len(files) == len(images):
        return ImageSource(root, files, None, {})
    archive = root / source.archive if source.archive else None
    if archive is not None and archive.is_file():
        members = {spelling(pattern.format(image=image)): image for image in images for pattern in source.images}
        return ImageSource(root, {}, archive, members)
    missing = [image for image in images if image not in files]
    raise missing_images(dataset, root, missing, len(images))


def missing_images(dataset: Dataset, place: Path, missing: Sequence[str], total: int) -> DataError:
    """The error for images that are not there."""
    source = dataset.card.source
    assert isinstance(source, PatchesSource)
    looked = listed([*source.images, *([source.archive] if source.archive else [])])
    return DataError(
        f"{len(missing)} of {total} patches of {dataset.name} are missing: {listed(missing)}",
        place=f"{place}, looked for {looked}",
        fix=get_text(dataset),
    )


def decode(file: BinaryIO, side: int, place: str) -> NDArray[np.uint8]:
    """A patch as (side, side, 3) uint8, RGB.

    Raises:
        DataError: not an image, or not of this size.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(file) as image:
            if image.size != (side, side):
                problem = f"the patch is {image.size[0]} x {image.size[1]} pixels, the card says {side} x {side}"
                raise DataError(problem, place=place, fix="get the images again")
            return np.asarray(image.convert("RGB"))
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as reason:
        raise DataError(f"the patch cannot be decoded: {reason}", place=place, fix="get the images again") from reason
