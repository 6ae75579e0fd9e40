"""What a user asks for and nothing would read: refused, so that no record claims it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.api.effect import without_effect
from harness.core.errors import UsageError
from harness.studies.config import ENVIRONMENT

if TYPE_CHECKING:
    from harness.api.card import Preset
    from harness.api.method import Method
    from harness.api.params import Params
    from harness.datasets.card import ProtocolCard
    from harness.datasets.dataset import Dataset
    from harness.datasets.splits import Splits
    from harness.studies.config import StudyConfig


def facts_of(kind: str, protocol: ProtocolCard, splits: Splits, *, tuned: bool) -> dict[str, str]:
    """Facts of a study that decide what is read (see :data:`harness.api.effect.FACTS`)."""
    select = protocol.select
    if not any(fold.val for fold in splits.folds):
        select = "last"
    elif tuned and select == "test":
        select = "best"
    return {"input.kind": kind, "protocol.select": select}


def refuse_unused_params(
    method: type[Method], params: Params, preset: Preset, asked: Mapping[str, str], facts: Mapping[str, Any]
) -> None:
    """Refuse hyper-parameters that were set, differ from what they would be otherwise, and are not read.

    Args:
        method, params: whose they are, and all of them.
        preset: what they would be otherwise.
        asked: name → where it was set.
        facts: of the study.

    Raises:
        UsageError: the first of them, by name.
    """
    others = method.Params.build(preset.params, place="preset").as_dict()
    values = params.as_dict()
    for name, why in without_effect(method.Params.only_with, values, facts).items():
        if name in asked and values[name] != others[name]:
            raise UsageError(
                f"hyper-parameter {name} has no effect on this study: {why}",
                place=f"--set {name} ({asked[name]})",
                fix=f"leave {name} out",
            )


def refuse_unused_preset(
    method: type[Method], params: Params, name: str, preset: Preset, facts: Mapping[str, Any]
) -> None:
    """Refuse a preset that was asked for and sets what this dataset or protocol gives no effect.

    Raises:
        UsageError: names the hyper-parameters.
    """
    values = params.as_dict()
    idle = without_effect(method.Params.only_with, values, facts, facts_only=True)
    if wrong := [
        one for one in preset.params if one in idle and preset.params[one] not in (None, 0, False, (), "none")
    ]:
        raise UsageError(
            f"preset {name} sets {', '.join(wrong)}, which {'have' if len(wrong) > 1 else 'has'} no effect on this "
            f"study: {idle[wrong[0]]}",
            place=f"--preset {name}",
            fix="leave --preset out, or set what does have an effect with --set",
        )


def refuse_unused_options(config: StudyConfig, dataset: Dataset) -> None:
    """Refuse options of the study that nothing reads.

    Raises:
        UsageError: the option has no effect on this dataset.
    """
    asked = config.data_root is not None and config.origins.get("data_root") != ENVIRONMENT
    if asked and not dataset.card.source.takes_data_root:
        raise UsageError(
            f"--data-root has no effect on dataset {dataset.name}: its data lies beside its card",
            place="--data-root",
            fix="leave --data-root out",
        )
