"""What evidence has to look like: one schema for what is written and for what is read.

Whatever a view sorts by, adds up or shows has a type and limits here; further fields are kept as they are. Records
come from other machines and other versions: one that does not fit is named, with field and value, and stops no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from harness.core.errors import DataError, shown

SCHEMA = 1
"""Version of the record's layout. A reader refuses a newer one."""

_LONGEST = 200


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("it has signs that cannot be shown")
    return text


def _time(text: str) -> str:
    datetime.fromisoformat(text)
    return text


Name = Annotated[str, Field(strict=True, min_length=1, max_length=_LONGEST), AfterValidator(_printable)]
Text = Annotated[str, Field(strict=True)]
Time = Annotated[str, Field(strict=True, max_length=_LONGEST), AfterValidator(_time)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Amount = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(strict=True, ge=0, lt=2**63)]
Seed = Annotated[int, Field(strict=True, ge=0, lt=2**64)]
Digest = Annotated[str, Field(strict=True, pattern=r"^[0-9a-f]{64}$")]
Settings = dict[str, Any]


class _Open(BaseModel):
    """Further fields are allowed: of later versions, or of no concern to any view."""

    model_config = ConfigDict(extra="allow")


class TuningSpec(_Open):
    """How a unit was tuned."""

    sampler: Text = ""


class Spec(_Open):
    """Identity of a unit, as far as views need it."""

    method: Name
    dataset: Name
    protocol: Name
    repeat: Count
    fold: Count
    seed: Seed
    params: Settings = {}
    input: Settings = {}
    tuning: TuningSpec | None = None


class Score(_Open):
    """A score with the limits of its interval; None where undefined."""

    value: Number | None
    low: Number | None = None
    high: Number | None = None
    undefined_resamples: Count | None = None


class Cost(_Open):
    """What a stage used; None where it is not known."""

    wall_s: Amount | None = None
    cpu_hours: Amount | None = None
    gpu_hours: Amount | None = None
    peak_rss_mb: Amount | None = None
    peak_gpu_allocated_mb: Amount | None = None
    peak_gpu_used_mb: Amount | None = None


class Compute(Cost):
    """The account of a unit."""

    device: Text | None = None
    gpu: Text | None = None
    gpu_count: Count | None = None
    peak_memory_mb: Amount | None = None
    stages: dict[str, Cost] = {}
    shared: dict[str, Cost | None] = {}


class Search(_Open):
    """What the search of a fold came to."""

    trials: Count = 0
    device_s: Amount = 0.0


class Selection(_Open):
    """What validation decided."""

    tuning: Search | None = None
    stages: dict[str, Settings] = {}


class Config(_Open):
    """The resolved configuration, as far as views need it."""

    labels: list[Text] | None = None


class Extra(_Open):
    """Further results."""

    test_accesses: Count | None = None
    scorer_asked: Count | None = None  # the same, in records of 0.1


class Environment(_Open):
    """Where a unit was run."""

    software: Settings = {}
    code: Settings = {}


class RecordSchema(_Open):
    """record.json, see :class:`harness.results.record.Record`."""

    unit_id: Text
    study_id: Text
    spec: Spec
    config: Config
    classes: Annotated[list[Text], Field(min_length=1, max_length=10_000)]
    scores: dict[str, Score]
    compute: Compute
    environment: Environment
    started: Time
    finished: Time
    seeds: Settings = {}
    counts: Settings = {}
    selection: Selection = Selection()
    validation: Settings = {}
    extra: Extra = Extra()
    files: dict[str, Digest] = {}


class FailureSchema(_Open):
    """failed.json, see :class:`harness.results.studies.Failure`."""

    unit_id: Text
    study_id: Text
    reason: Text
    attempts: Annotated[Count, Field(ge=1)]
    time: Time
    spec: Spec


class Dimension(_Open):
    """A hyper-parameter that was searched."""

    name: Name
    low: Number = 0.0
    high: Number = 1.0
    log: Annotated[bool, Field(strict=True)] = False
    integer: Annotated[bool, Field(strict=True)] = False
    choices: Annotated[list[Any], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _check_range(self) -> Self:
        least = 1 if self.integer else 5e-324  # of a range of logarithms: what is above 0
        if self.choices is None and not (self.low <= self.high and (self.low >= least or not self.log)):
            raise ValueError(f"{self.low:g} to {self.high:g} is no range{' of logarithms' if self.log else ''}")
        return self


class TuningConfig(_Open):
    """How a study was tuned."""

    space: list[Dimension] = []


class StudyConfig(Config):
    """The resolved configuration of a study."""

    tuning: TuningConfig | None = None


class StudySchema(_Open):
    """study.json, see :meth:`harness.results.store.RunStore.write_study`."""

    study_id: Text
    method: Name
    dataset: Name
    protocol: Name
    ranked: Annotated[bool, Field(strict=True)] = False
    units: list[Text]
    config: StudyConfig = StudyConfig()
    scores: dict[str, Score] = {}
    units_done: Count = 0


class TrialSchema(_Open):
    """A trial's result, see :class:`harness.results.trial_store.TrialResult`."""

    unit_id: Text
    spec: Spec
    scores: dict[str, Number | None] | None
    reason: Text = ""
    device_s: Amount = 0.0
    compute: Compute
    started: Time
    finished: Time


def check(kind: type[BaseModel], value: object, *, what: str, place: str) -> dict[str, Any]:
    """``value`` if it fits the schema ``kind``: as it is, nothing converted.

    Args:
        kind: one of the schemas of this module.
        value: parsed JSON, or what is to be written as JSON.
        what: what it is, for the error: ``record``, ``study`` ...
        place: where it comes from, for the error.

    Raises:
        DataError: it does not fit; the problem names the first field that is wrong, and its value.
    """
    if not isinstance(value, Mapping):
        raise DataError(f"damaged: this is not a {what}", place=place, fix=FIX)
    schema = value.get("schema", SCHEMA)
    if type(schema) is not int or not 0 < schema <= SCHEMA:
        raise DataError(
            f"the {what} has schema {shown(schema)}, this version reads {SCHEMA}", place=place, fix="update wsibench"
        )
    try:
        kind.model_validate(value)
    except ValidationError as error:
        raise DataError(f"damaged: {_problem(error)}", place=place, fix=FIX) from None
    except RecursionError:
        raise DataError(f"damaged: the {what} is nested too deeply", place=place, fix=FIX) from None
    return dict(value)


def _problem(error: ValidationError) -> str:
    """The first field that is wrong, as ``compute.wall_s is '12 s': input should be a valid number``."""
    problems = error.errors(include_url=False)
    first = problems[0]
    field = ".".join(map(str, first["loc"]))[:_LONGEST]
    reason = first["msg"].removeprefix("Value error, ")
    if first["type"] == "missing":
        text = f"{field} is missing"
    else:
        text = f"{field} is {shown(first['input'])}: {reason[:1].lower()}{reason[1:]}"
    return text if len(problems) == 1 else f"{text}, and {len(problems) - 1} more"


FIX = "run the unit again (the same bench run command does), or update wsibench"
