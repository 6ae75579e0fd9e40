"""A unit's model on its way from the scratch space into the unit's folder."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.core.atomic import write_json
from harness.models.description import FILE, ModelDescription, Origin
from harness.models.files import FOLDER

CONFIGURATION = "config.json"
"""The resolved configuration, beside the model."""


def deliver_model(kept: Path, unit_folder: Path, origin: Origin, configuration: Mapping[str, Any]) -> Path | None:
    """Move the model that a unit kept into the unit's folder, in place of one that is there.

    Args:
        kept: what :meth:`harness.training.context.Context.keep` gave out, ``<workdir>/keep``.
        unit_folder: the unit's folder.
        origin: which unit it is, and of what it learnt.
        configuration: the resolved configuration.

    Returns:
        Where the model is now; None where the unit kept none.

    Raises:
        DataError: ``model.json`` is damaged.
    """
    source, target = kept / FOLDER, unit_folder / FOLDER
    shutil.rmtree(target, ignore_errors=True)
    if not (source / FILE).exists():
        return None
    write_json(source / CONFIGURATION, dict(configuration))
    ModelDescription.read(source).model_copy(update={"origin": origin}).write(source)
    source.replace(target)
    return target
