"""``model.json``: all that a kept model needs to be built again beside its weights, and what it was trained for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.core.atomic import write_json
from harness.core.errors import DataError, shown
from harness.core.reading import read_json
from harness.slides.scale import Scale
from harness.tasks.registry import find_task
from harness.tasks.task import Task

if TYPE_CHECKING:
    from harness.bags.source import BagSource

FILE = "model.json"
SCHEMA = 1
"""Version of the layout. A reader refuses a newer one."""

_Text = Annotated[str, Field(strict=True)]
_Digest = Annotated[str, Field(strict=True, pattern=r"^[0-9a-f]{64}$")]
_Count = Annotated[int, Field(strict=True, ge=0, lt=2**63)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class FittedTask(_Part):
    """A task as it was fitted to the training slides, such as with bin edges.

    Attributes:
        name: the registered name.
        values: its fields.
    """

    name: _Text
    values: dict[str, Any]

    @classmethod
    def of(cls, task: Task) -> Self:
        """Of a task."""
        return cls(name=task.name, values={one.name: getattr(task, one.name) for one in fields(task)})

    def restored(self) -> Task:
        """The task; its plugin has to be loaded.

        Raises:
            UsageError, MethodError: see :func:`harness.tasks.registry.find_task`.
        """
        values: dict[str, Any] = {
            name: tuple(one) if isinstance(one, list) else one for name, one in self.values.items()
        }
        return find_task(self.name)(**values)


class Bags(_Part):
    """Of what kind the bags were that the model was trained on.

    Attributes:
        kind: features or tiles.
        dim: feature width; 0 for tiles.
        scales: microns per pixel (0 for unknown) and tile side in pixels, the finest first.
    """

    kind: Literal["features", "tiles"]
    dim: _Count
    scales: tuple[tuple[float, int], ...]

    @classmethod
    def of(cls, bags: BagSource) -> Self:
        """Of some bags."""
        return cls(kind=bags.kind, dim=bags.dim, scales=tuple((one.mpp, one.tile_px) for one in bags.scales))

    @property
    def magnifications(self) -> tuple[Scale, ...]:
        """The scales."""
        return tuple(Scale(mpp, tile_px) for mpp, tile_px in self.scales)


class PublishedEncoder(_Part):
    """An encoder that was frozen: named and hashed, and not stored.

    Attributes:
        name: see :mod:`harness.encoders.names`.
        sha256: of its weights.
    """

    name: _Text
    sha256: _Digest


class Origin(_Part):
    """Which unit made the model, and of what it learnt. The process that scores adds it.

    Attributes:
        unit, study, dataset, protocol: their names.
        repeat, fold, seed: the unit within its study.
        classes: names of what has a probability.
        threshold: on the second class's probability, from validation; None decides by the largest one.
        input: the input settings of the study.
        source: kind of the data source that the bags came from.
        tissue: how tissue was told from background, where that is not the default.
        licence: of the dataset.
        trained_on, chosen_on: hashes of the content of training and of validation slides, 16 digits each.
    """

    unit: _Text
    study: _Text
    dataset: _Text
    protocol: _Text
    repeat: _Count
    fold: _Count
    seed: Annotated[int, Field(strict=True, ge=0)]
    classes: tuple[str, ...]
    threshold: float | None
    input: dict[str, Any]
    source: _Text
    tissue: dict[str, Any] = {}
    licence: _Text = ""
    trained_on: tuple[str, ...] = ()
    chosen_on: tuple[str, ...] = ()


class ModelDescription(_Part):
    """What stands in ``model.json``.

    Attributes:
        schema_version: of the layout.
        method, method_version, params: what is built; names, values.
        task: fitted.
        bags: what it was trained on.
        precision, root_seed: of the run.
        facts: those of :class:`harness.api.trained_model.TrainedModel`.
        published: encoders that are not stored, by their path within the networks.
        normalised: whether features are standardised, by statistics beside the weights.
        weights_sha256: of the file of weights.
        origin: None while the unit is not finished.
    """

    schema_version: Annotated[int, Field(strict=True, alias="schema")] = SCHEMA
    method: _Text
    method_version: _Text
    params: dict[str, Any]
    task: FittedTask
    bags: Bags
    precision: Literal["fp32", "bf16", "fp16"]
    root_seed: Annotated[int, Field(strict=True, ge=0)]
    facts: dict[str, Any]
    published: dict[str, PublishedEncoder]
    normalised: bool
    weights_sha256: _Digest
    origin: Origin | None = None

    def write(self, folder: Path) -> None:
        """Write ``model.json``."""
        write_json(folder / FILE, self.model_dump(mode="json", by_alias=True))

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read ``model.json``.

        Raises:
            DataError: it is missing, damaged or of a newer version.
        """
        path = folder / FILE
        try:
            value = read_json(path)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise DataError(f"no model can be read: {reason}", place=str(path), fix=_FIX) from error
        schema = value.get("schema") if isinstance(value, Mapping) else None
        if type(schema) is int and schema > SCHEMA:
            raise DataError(
                f"the model has schema {schema}, this version reads {SCHEMA}", place=str(path), fix="update wsibench"
            )
        try:
            return cls.model_validate(value)
        except (ValidationError, RecursionError) as error:
            raise DataError(f"damaged: {_first(error)}", place=str(path), fix=_FIX) from None


_FIX = "get the folder again from where it was made"


def _first(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return "it is nested too deeply"
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'the whole'} is {shown(first['input'])}: {first['msg']}"
