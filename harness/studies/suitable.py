"""Whether a method can work on a dataset at all: said before any work is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.api.registry import find_method, list_methods
from harness.core.errors import UsageError
from harness.datasets.reports import read_reports
from harness.training.mil_params import MILParams
from harness.training.mil_params import check_devices as check_steps

if TYPE_CHECKING:
    from harness.api.card import MethodCard
    from harness.api.method import Method
    from harness.api.params import Params
    from harness.datasets.dataset import Dataset


def check_task(card: MethodCard, dataset: Dataset) -> None:
    """Refuse a dataset whose task the method cannot learn."""
    task = dataset.card.task
    if not card.learns(task):
        able = [one.name for one in list_methods() if one.card is not None and one.card.learns(task)]
        raise UsageError(
            f"method {card.name} cannot learn {task}, which is the task of dataset {dataset.name}",
            place="--method",
            fix=f"choose from: {', '.join(able)}",
        )


def check_classes(card: MethodCard, dataset: Dataset) -> None:
    """Refuse a dataset with more or fewer classes than the method is defined for."""
    classes = dataset.task.columns
    if card.classes not in (None, len(classes)):
        raise UsageError(
            f"method {card.name} is defined for {card.classes} classes, and dataset {dataset.name} has {len(classes)}: "
            f"{', '.join(classes)}",
            place="--method",
            fix="choose another method; bench methods list names them",
        )


def check_needs(card: MethodCard, dataset: Dataset) -> None:
    """Refuse a dataset without what the method cannot do without, or where it cannot be read, before any work."""
    if "reports" in card.needs and dataset.card.reports is None:
        raise UsageError(
            f"method {card.name} learns from pathology reports, and dataset {dataset.name} has none",
            place="--dataset",
            fix="choose camelyon16-mini, or name a column or text files as `reports` in the dataset's card",
        )
    if "reports" in card.needs:
        read_reports(dataset, dataset.slides)


def check_devices(method: type[Method], params: Params, devices: int) -> None:
    """Refuse several devices for a method, or for steps, that cannot be shared between them."""
    if devices == 1:
        return
    if not method.shardable:
        able = [one.name for one in list_methods() if one.card is not None and find_method(one.name).shardable]
        raise UsageError(
            f"method {method.card.name} cannot be trained by {devices} devices: its stages have batches of their own",
            place="--devices",
            fix=f"use --devices 1, or one of: {', '.join(able)}",
        )
    if isinstance(params, MILParams):
        check_steps(params, devices)
