"""The dataset card: everything the harness knows about a dataset before it touches its files."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializeAsAny,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from harness.core.errors import BenchError
from harness.datasets.feature_set_card import FeatureSetCard, Microns
from harness.datasets.reading_tiles import PLAIN_READING, Align, Resampler
from harness.datasets.source import Source
from harness.datasets.source_registry import find_source
from harness.tasks.follow_up import INTERVALS
from harness.tasks.registry import DEFAULT, find_task
from harness.tasks.task import Task

Count = Annotated[int, Field(strict=True, ge=0, le=2**53)]


LONGEST_TEXT = 20_000
"""Most characters of a text in a card: what is longer was not written by hand, and would flood a terminal."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_max_length=LONGEST_TEXT)


class InputSettings(_Strict):
    """What a method reads of a dataset. Of slides, a card names only what all methods are to be compared on: a field
    that it leaves out is that of the method's published input, or else of :data:`harness.studies.study_input.DEFAULTS`.

    Attributes:
        kind: ``features`` from a frozen encoder, or ``tiles`` (the encoder is trained).
        encoder: encoder name, see ``harness.encoders``.
        mpp: resolutions in microns per pixel, the finest first; empty where unknown (patches).
        tile_px: side of a tile in pixels.
        align: where the grid of tiles starts: at the slide's ``corner``, or anew on boundaries of the ``tiles`` that
            the file stores, so that reading a tile decodes as few of these as can be.
        resampler: how tiles come to their resolution: from the nearest finer ``level``, by a bilinear filter; or by
            ``dct``, which first decodes a JPEG at a half, a quarter or an eighth of its size where that is fine enough.
    """

    kind: Literal["features", "tiles"]
    encoder: str = ""
    mpp: tuple[Microns, ...] = ()
    tile_px: Annotated[int, Field(strict=True, ge=0, le=2**14)] = 0
    align: Align = "corner"
    resampler: Resampler = "level"

    @model_serializer(mode="wrap")
    def _without_plain(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What is read as ever goes unsaid, so that the identity of what was read before stays as it was."""
        values: dict[str, Any] = write(self)
        return {name: value for name, value in values.items() if PLAIN_READING.get(name) != value}

    @field_validator("mpp")
    @classmethod
    def _rising(cls, mpp: tuple[float, ...]) -> tuple[float, ...]:
        if list(mpp) != sorted(set(mpp)):
            raise PydanticCustomError("rising", "resolutions have to rise, the finest first, each once")
        return mpp

    def lacking(self, source: Source) -> str | None:
        """The setting without which tiles cannot be laid on slides; None where there is none."""
        if "mpp" not in source.reads:
            return None
        return "mpp" if not self.mpp else None if self.tile_px else "tile_px"


def _source(content: Any) -> Any:
    """The source that a card describes, by its ``kind``."""
    if isinstance(content, Source):
        return content
    if not isinstance(content, dict) or not isinstance(content.get("kind"), str):
        raise PydanticCustomError("kind", "it names no kind of source, such as kind: slides")
    return find_source(content["kind"]).model_validate(content)


class ReportsSource(_Strict):
    """Where the pathology reports are: in a column of a table, or one text file each. Give ``column`` or ``files``.

    Attributes:
        column: the column that holds the text.
        table: CSV file relative to the card with ``slide`` and that column; None for the label table.
        files: pattern of the text files with ``{slide}`` or ``{patient}``, relative to the card or absolute.
    """

    column: str | None = None
    table: str | None = None
    files: str | None = None


class ProtocolCard(_Strict):
    """A named way to split, train, select and score.

    Attributes:
        title: one line.
        splits: CSV file relative to the card with columns ``repeat, fold, slide, part`` (train | val | test); a slide
            that is not listed in a fold is excluded from it.
        ranked: whether results may stand on the leaderboard; False for literature protocols that leak, and for
            those that are there to choose by.
        allow_leaks: whether patients and content may stand on two sides of its splits, as in some published ones; such
            a protocol cannot be ranked.
        fit_on: what the final fit trains on. ``train+val`` only where nothing is selected.
        select: ``best`` epoch by validation, or the ``last`` one; ``test``: the one that predicts the test slides best.
        threshold: decision threshold (binary) from ``validation``, or ``argmax``; ``test``: the best one for the test
            slides. Some published recipes choose on the test slides; such a protocol cannot be ranked.
        auc: how the AUC (in survival, the C-index) of a cross-validation is put together: the ``mean`` over its folds,
            whose models' predictions share no scale, or that of the ``pooled`` predictions, the only one that there is
            where each fold tests a single slide (leave-one-out).
        normalise: scaling of given features: none, by statistics of ``train``, or of all bags (``transductive``).
        note: what a reader of its results has to know.
    """

    title: str
    splits: str
    ranked: bool = True
    allow_leaks: bool = False
    fit_on: Literal["train", "train+val"] = "train"
    select: Literal["best", "last", "test"] = "best"
    threshold: Literal["validation", "argmax", "test"] = "validation"
    auc: Literal["mean", "pooled"] = "mean"
    normalise: Literal["none", "train", "transductive"] = "none"
    note: str = ""

    def settings(self) -> dict[str, Any]:
        """All fields for the evidence; leaks only where they are allowed."""
        return self.model_dump(mode="json", exclude=None if self.allow_leaks else {"allow_leaks"})

    @property
    def on_test(self) -> tuple[str, ...]:
        """What is chosen on the test slides: ``select``, ``threshold``, both or, as it should be, nothing."""
        return tuple(name for name in ("select", "threshold") if getattr(self, name) == "test")


class Erratum(_Strict):
    """A known defect: which slides, what is wrong, what is done about it, and who says so."""

    slides: tuple[str, ...]
    what: str
    action: str
    source: str


class TissueSettings(_Strict):
    """How tissue is told from background.

    Attributes:
        mpp: resolution of the thumbnail the mask is made on.
        background: ``white`` or ``black``.
        measure: what tissue has more of than the background: ``colour`` (largest less smallest RGB value of a pixel),
            or ``brightness`` (distance of the brightness from the background's), for slides without colour. ``auto``
            takes the colour, and the brightness on slides on which colour finds nothing.
        threshold: from which value of the measure (of 255) a pixel is tissue; None finds it for each slide.
        pen: marks of black, green and blue ink are left out (``leave_out``), or taken like all else (``keep``).
            With ``brightness`` black is never ink.
        min_fraction: least tissue in a tile that is kept.
        min_area_mm2: smaller pieces of tissue are dropped.
    """

    mpp: Microns = 8.0
    background: Literal["white", "black"] = "white"
    measure: Literal["colour", "brightness", "auto"] = "colour"
    threshold: Annotated[float, Field(strict=True, gt=0, le=255)] | None = None
    pen: Literal["leave_out", "keep"] = "leave_out"
    min_fraction: Annotated[float, Field(strict=True, ge=0, le=1)] = 0.25
    min_area_mm2: Annotated[float, Field(strict=True, ge=0, le=1e6)] = 0.01

    @field_validator("threshold")
    @classmethod
    def _of_one_measure(cls, threshold: float | None, info: ValidationInfo) -> float | None:
        if threshold is not None and info.data.get("measure") == "auto":
            raise ValueError("a threshold is of one measure: set measure to colour or brightness beside it")
        return threshold


class DatasetCard(_Strict):
    """card.yaml of a dataset.

    Attributes:
        name: the word typed behind ``--dataset``.
        title, description: one line, and a paragraph.
        licence: of the data, with the attribution it asks for.
        get: where to get the data and where to put it.
        task: what is predicted: ``classification``, ``survival`` (the label table then has the columns ``time`` and
            ``event``), or another registered task, as a name or, with its settings, ``{name: NAME, SETTING: VALUE}``.
        task_settings: these settings.
        classes: class names; a label is an index into them, and of two classes the second is the positive one. In
            survival they name how follow-up ended and may be left out: censored and event.
        intervals: survival only: intervals of time that are predicted. Their limits are quantiles of the event times
            of each fold's training patients.
        counts: what the release holds: ``slides``, ``patients``, ``tiles`` (patches or instances that come with the
            dataset) and the number of slides of each class by its name; ``verify`` compares them. Others are shown.
        source: where slides, patches or features are.
        labels: the label table: CSV with the columns ``slide, patient, label`` (survival: ``slide, patient, time,
            event``) and any others.
        reports: where the pathology reports are, for methods that learn from them; None without any.
        protocols, default_protocol: how to split, train, select and score.
        inputs: what methods can read of it.
        feature_sets: name → a public set of features of these slides, which ``bench features get`` fetches.
        tissue: how tissue is told from background.
        presets: method name → the preset of that method which suits this dataset.
        errata: known defects.
        site: column of the label table that says where a slide comes from (hospital, scanner); None takes a column
            ``site`` if there is one. Sites on two sides of a split are reported, not refused.
        cohorts: public cohorts that slides are from, such as ``tcga``: a study with an encoder that was pre-trained on
            one of them says so. Slides with TCGA's barcodes need none.
        distinct_ids: slides, patients or sites whose ids differ in spelling alone (letter case, zeros in front, spaces;
            see :mod:`harness.datasets.identity`) are different ones; otherwise they are refused.
        not_duplicates: pairs of slides that are different although the leak audit finds them nearly the same. Stated in
            the evidence; identical content is refused all the same.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    title: str
    description: str
    licence: str
    get: str
    task: str = DEFAULT
    task_settings: dict[str, Any] = {}
    classes: Annotated[tuple[str, ...], Field(min_length=1)]
    intervals: Annotated[int, Field(strict=True, ge=2, le=100)] = INTERVALS
    counts: dict[str, Count]
    source: Annotated[SerializeAsAny[Source], BeforeValidator(_source)]
    labels: str = "labels.csv"
    reports: ReportsSource | None = None
    protocols: dict[str, ProtocolCard]
    default_protocol: str
    inputs: tuple[InputSettings, ...]
    feature_sets: dict[str, FeatureSetCard] = {}
    tissue: TissueSettings = TissueSettings()
    presets: dict[str, str] = {}
    errata: tuple[Erratum, ...] = ()
    site: str | None = None
    cohorts: tuple[str, ...] = ()
    distinct_ids: bool = False
    not_duplicates: tuple[tuple[str, str], ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _task_of(cls, content: Any) -> Any:
        """The settings of a task apart from its name, and the classes of a task that needs none named."""
        if not isinstance(content, dict):
            return content
        task = content.get("task", DEFAULT)
        if isinstance(task, dict) and isinstance(task.get("name"), str):
            settings = {name: value for name, value in task.items() if name != "name"}
            content = content | {"task": task["name"], "task_settings": settings}
        if "classes" not in content and (named := default_classes(content.get("task", DEFAULT))):
            return content | {"classes": list(named)}
        return content

    def predicted(self) -> Task:
        """The task, as the card sets it.

        Raises:
            BenchError: there is no such task, or it is broken.
            ValueError, TypeError: its settings are wrong.
        """
        kind = find_task(self.task)
        own = {"intervals": self.intervals} if "intervals" in kind.settings() else {}
        return kind.of(self.classes, own | self.task_settings)


def default_classes(task: object) -> tuple[str, ...]:
    """The classes of a card that names none; empty where it has to name them, or the task is unknown."""
    try:
        return find_task(task).default_classes if isinstance(task, str) else ()
    except BenchError:  # told where the card is checked
        return ()
