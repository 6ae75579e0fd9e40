"""The options of ``bench datasets new`` for features that another tool has made, and what they amount to."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from harness.cli.options import finite
from harness.core import console
from harness.core.errors import UsageError
from harness.core.folders import expanded, readable_folder
from harness.core.options import one_of

if TYPE_CHECKING:
    from harness.datasets.match_ids import Rule
    from harness.datasets.new_labels import NewDataset
    from harness.sources.new_dataset import Made
    from harness.sources.new_from_features import JoinTable

_PANEL = "Features of another tool"
DTYPES = ("float16", "float32")

Features = Annotated[
    Path | None,
    typer.Option(
        "--features", help="Folder with features of another tool, or one file; no slides.", rich_help_panel=_PANEL
    ),
]
Encoder = Annotated[
    str | None,
    typer.Option("--encoder", help="Encoder that made them, where files do not say.", rich_help_panel=_PANEL),
]
Match = Annotated[
    list[str] | None,
    typer.Option(
        "--match",
        help="Compare ids ignoring: case, extension, patches, zeros, barcode. Repeatable.",
        rich_help_panel=_PANEL,
    ),
]
TilePx = Annotated[
    int | None,
    typer.Option("--tile-px", help="Side of a tile in pixels.", min=1, max=2**14, rich_help_panel=_PANEL),
]
TileMpp = Annotated[
    float | None,
    typer.Option(
        "--tile-mpp",
        help="Microns per pixel of the tiles.",
        min=0.01,
        max=1000,
        callback=finite,
        rich_help_panel=_PANEL,
    ),
]
Dtype = Annotated[
    str, typer.Option("--dtype", help="Number type of the packed features: float16, float32.", rich_help_panel=_PANEL)
]
InPlace = Annotated[
    bool, typer.Option("--in-place", help="Read the files where they lie, without packing.", rich_help_panel=_PANEL)
]
PickledArrays = Annotated[
    bool,
    typer.Option(
        "--pickled-arrays",
        help="Read .pt files that hold pickled NumPy arrays. Only NumPy's constructors are run.",
        rich_help_panel=_PANEL,
    ),
]


@dataclass(frozen=True)
class FeatureOptions:
    """The options, as they were given."""

    features: Path | None
    encoder: str | None
    match: list[str] | None
    tile_px: int | None
    tile_mpp: float | None
    dtype: str
    in_place: bool
    pickled_arrays: bool
    cache: Path | None
    workers: int | None

    def folder(self, slides: Path | None, mpp: float | None) -> Path:
        """The one folder that is given.

        Raises:
            UsageError: none or both, or options that have no effect with it.
        """
        if (slides is None) == (self.features is None):
            raise UsageError(
                "a dataset is made of a folder of slides or of one of features",
                place="--slides, --features",
                fix="give one of them",
            )
        if self.features is not None:
            if mpp is not None:
                raise UsageError(
                    "the resolution of slides has no effect on features", place="--mpp", fix="use --tile-mpp"
                )
            path = expanded(self.features)
            return path if path.is_file() else readable_folder(path, "--features")
        unused = [name for name, given in self._given().items() if given]
        if unused:
            raise UsageError(
                f"{unused[0]} has no effect on slides", place=unused[0], fix="leave it out, or give --features"
            )
        return readable_folder(expanded(cast(Path, slides)), "--slides")

    def labels(self, labels: Path | None) -> Path:
        """The label table; only some formats of features do without."""
        if labels is None and self.features is None:
            raise UsageError("a dataset needs labels", place="--labels", fix="give a table with a line per slide")
        return Path() if labels is None else expanded(labels)

    def _given(self) -> dict[str, bool]:
        return {
            "--encoder": self.encoder is not None,
            "--match": bool(self.match),
            "--tile-px": self.tile_px is not None,
            "--tile-mpp": self.tile_mpp is not None,
            "--dtype": self.dtype != "float16",
            "--in-place": self.in_place,
            "--pickled-arrays": self.pickled_arrays,
            "--cache": self.cache is not None,
            "--workers": self.workers is not None,
        }

    def rules(self) -> tuple[Rule, ...]:
        """What is ignored when ids are compared; several may stand behind one --match, with commas."""
        from harness.datasets.match_ids import RULES

        words = [word.strip() for text in self.match or () for word in text.split(",") if word.strip()]
        return tuple(dict.fromkeys(cast("Rule", one_of(RULES, "rule")(w, "--match")) for w in words))

    def new(self, base: NewDataset) -> Made:
        """Make the dataset, with the labels inside the files where no table is given."""
        from harness.features.formats.base import Options
        from harness.sources.labels_inside import write_labels

        if base.labels != Path():
            return self._new(base)
        with tempfile.TemporaryDirectory() as scratch:
            options = Options(self.encoder, self.pickled_arrays)
            return self._new(replace(base, labels=write_labels(base.slides, options, Path(scratch))))

    def _new(self, base: NewDataset) -> Made:
        """Make the dataset, and say what was changed."""
        from harness.core.resources import cache_root
        from harness.features.declared import Declared
        from harness.features.formats.base import Facts
        from harness.sources.new_from_features import NewFromFeatures, new_from_features

        made = new_from_features(
            NewFromFeatures(
                base=base,
                declared=Declared(Facts(self.encoder, self.tile_px, self.tile_mpp), by="the command line"),
                rules=self.rules(),
                dtype=cast(Literal["float16", "float32"], one_of(DTYPES, "number type")(self.dtype, "--dtype")),
                in_place=self.in_place,
                pickled_arrays=self.pickled_arrays,
                cache=self.cache or cache_root(),
                workers=self.workers or os.cpu_count() or 1,
                show=show_join,
            )
        )
        for words in made.dataset.card.source.files_text():
            console.say(words)
        return made


def show_join(table: JoinTable) -> None:
    """Table of labels against features."""
    joined = table.joined
    per_patient = Counter(table.per_patient.values())
    several = ", ".join(f"{patients} with {slides}" for slides, patients in sorted(per_patient.items()))
    rows = [
        ("labels", str(table.labels)),
        (f"slides with features ({table.format})", str(table.features)),
        ("labels with features", str(len(joined.files))),
        ("labels without features", str(len(joined.missing))),
        ("features without label", str(len(joined.extra))),
        ("patients, by number of slides", several or "0"),
    ]
    if joined.ambiguous:
        rows.append(("labels that match several features", str(len(joined.ambiguous))))
    console.table("Labels and features", ("", ">count"), rows)
