"""The manifest of a feature store: what the features are, and where each slide's rows lie."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from harness.core.atomic import write_json
from harness.core.errors import DataError
from harness.core.hashing import sha256_json
from harness.core.reading import read_json
from harness.protocols.audit import audit_stage

if TYPE_CHECKING:
    from harness.datasets.splits import Fold

FORMAT = 1
MANIFEST = "manifest.json"

DType = Literal["float16", "float32"]


@dataclass(frozen=True)
class FeatureKey:
    """What features depend on beside the slides. Features under another key are never mixed or mistaken.

    Attributes:
        encoder: encoder name.
        weights_sha256: hash of the encoder's weights.
        mpp: microns per pixel of the tiles; 0 where unknown.
        tile_px: side of a tile in pixels.
    """

    encoder: str
    weights_sha256: str
    mpp: float
    tile_px: int

    def check(self, found: FeatureKey, place: Path) -> None:
        """Raise DataError where the features that were ``found`` are not these."""
        theirs = asdict(found)
        differing = [
            f"{name} is {_short(theirs[name])}, wanted {_short(value)}"
            for name, value in asdict(self).items()
            if theirs[name] != value
        ]
        if differing:
            raise DataError(
                f"these features are not the ones that are asked for: {'; '.join(differing)}",
                place=str(place),
                fix="give another cache folder, ask for the encoder and resolution they were made with, or delete them",
            )


@dataclass(frozen=True)
class TrainingSlides:
    """The slides that an encoder learnt from, where its weights are not published or drawn ones.

    Features by such an encoder belong to the fold it was trained in: for another fold's test slides they are a leak.

    Attributes:
        slides: training slides, sorted.
        chosen_on: slides that chose between states of it (validation), sorted.
        fold: name of the fold.
        unit: id of the unit that trained it; empty while that unit is under way.
    """

    slides: tuple[str, ...]
    chosen_on: tuple[str, ...] = ()
    fold: str = ""
    unit: str = ""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """From the manifest."""
        lists = {name: tuple(values[name]) for name in ("slides", "chosen_on")}
        return cls(**(dict(values) | lists))

    def audit(self, fold: Fold, *, stage: str) -> None:
        """Refuse the encoder, or features by it, for ``fold``.

        Args:
            fold: where it is to be used.
            stage: what it is called, for the error.

        Raises:
            LeakError: it was trained on slides that are not training slides of ``fold``, or chosen on slides that
                are neither training nor validation slides; each is named.
        """
        audit_stage(fold, self.slides, stage=stage)
        audit_stage(fold, self.chosen_on, stage=stage, allowed=("train", "val"), how="chosen")


@dataclass(frozen=True)
class SlideEntry:
    """One slide in a store.

    Attributes:
        start: its first row.
        tiles: how many rows it has.
        fingerprint: of what it was made from: the slide and its tile positions.
        crc32: checksum of its feature bytes.
        has_coords: whether its tile positions are known.
        seconds: what making it took, by part.
        content: hash of its features and positions; empty where features are known by what they were made from.
        sample: a few of its rows that stand for it where bags of a large cohort are compared.
        side: side of a tile in the unit of its positions; 0 where unknown.
    """

    start: int
    tiles: int
    fingerprint: str
    crc32: int
    has_coords: bool
    seconds: Mapping[str, float] = field(default_factory=dict)
    content: str = ""
    sample: Sequence[int] = ()
    side: float = 0.0

    @property
    def stop(self) -> int:
        """The row behind its last one."""
        return self.start + self.tiles


@dataclass(frozen=True)
class Header:
    """What all slides of a store have in common.

    Attributes:
        key: what the features depend on.
        dim: feature width.
        dtype: number type on disk.
        precision: number type the encoder computed in.
        tool_version: version of the harness that made the store.
        provenance: further facts of the caller (dataset ...); JSON-able.
        encoder_trained_on: the slides that the encoder learnt from; None for published or drawn weights.
    """

    key: FeatureKey
    dim: int
    dtype: DType
    precision: str
    tool_version: str
    provenance: Mapping[str, Any] = field(default_factory=dict)
    encoder_trained_on: TrainingSlides | None = None

    def check(self, found: Header, place: Path) -> None:
        """Raise DataError where rows under this header cannot stand beside rows under the one that was ``found``."""
        self.key.check(found.key, place)
        for name in ("dim", "dtype", "precision", "provenance", "encoder_trained_on"):
            theirs, ours = getattr(found, name), getattr(self, name)
            if theirs != ours:
                raise DataError(
                    f"the features here have {name} {theirs!r}, wanted {ours!r}",
                    place=str(place),
                    fix="give another cache folder, or delete this one",
                )

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`as_dict`."""
        values = dict(values)
        seen = values.pop("shaped_by", None) or values.get("encoder_trained_on")  # manifests of 0.1 have the first name
        trained_on = TrainingSlides.from_dict(seen) if seen else None
        return cls(**(values | {"key": FeatureKey(**values["key"]), "encoder_trained_on": trained_on}))


@dataclass(frozen=True)
class Manifest:
    """Header and slides, in the order of their rows."""

    header: Header
    slides: Mapping[str, SlideEntry]

    def content_sha256(self, slides: Iterable[str] | None = None) -> str:
        """Identity of the features of ``slides`` (None for all): key, number type, and a checksum per slide.

        Raises:
            KeyError: a slide that is not there.
        """
        wanted = sorted(self.slides if slides is None else slides)
        parts = {slide: [entry.fingerprint, entry.crc32] for slide in wanted for entry in [self.slides[slide]]}
        return sha256_json({"key": asdict(self.header.key), "dtype": self.header.dtype, "slides": parts})

    def write(self, folder: Path) -> None:
        """Write atomically: from now on the folder is a complete store."""
        slides = {slide: asdict(entry) for slide, entry in self.slides.items()}
        write_json(folder / MANIFEST, {"format": FORMAT} | self.header.as_dict() | {"slides": slides})

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read and check.

        Raises:
            DataError: there is none, or it is not a manifest that this version understands.
        """
        path = folder / MANIFEST
        fix = "extract the features again (what is complete is kept)"
        try:
            values = read_json(path)
        except FileNotFoundError as error:
            raise DataError("there are no finished features here", place=str(folder), fix=fix) from error
        except (OSError, ValueError) as error:
            raise DataError(
                "the manifest is not JSON", place=str(path), fix="delete the folder and extract again"
            ) from error
        try:
            if (version := values.pop("format")) != FORMAT:
                raise DataError(
                    f"the manifest has format {version}, this version reads {FORMAT}",
                    place=str(path),
                    fix="use the version of the harness that made it, or delete the folder and extract again",
                )
            slides = {slide: SlideEntry(**entry) for slide, entry in values.pop("slides").items()}
            return cls(Header.from_dict(values), slides)
        except (AttributeError, KeyError, TypeError) as error:
            raise DataError(
                f"the manifest is incomplete ({error})", place=str(path), fix="delete the folder and extract again"
            ) from error


def _short(value: object) -> str:
    text = str(value)
    return text[:12] if len(text) == 64 else repr(value)
