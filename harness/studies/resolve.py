"""From what was asked to what will be run: every default filled in, every name checked. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from harness.api.card import MethodCard, Preset
from harness.api.method import Method
from harness.api.params import Params
from harness.api.published import nearest_input
from harness.api.registry import find_method, method_version
from harness.core.errors import UsageError
from harness.core.suggest import unknown
from harness.datasets.card import InputSettings, ProtocolCard
from harness.datasets.cohorts import cohorts_of
from harness.datasets.dataset import Dataset
from harness.datasets.reports import reports_fingerprint
from harness.datasets.splits import Fold, Splits
from harness.encoders.overlap import pretraining_cohorts, pretraining_overlap
from harness.protocols.fold_checks import check_folds
from harness.studies.choosing import check_select_metric, metric_versions
from harness.studies.config import COMMAND_LINE, StudyConfig
from harness.studies.feature_set import FeatureSet, dataset_of
from harness.studies.origins import origins_of, preset_origin
from harness.studies.param_files import param_files
from harness.studies.study_input import layers_of, resolve_input, split_settings
from harness.studies.suitable import check_classes, check_devices, check_needs, check_task
from harness.studies.tuning.settings import TuneSettings
from harness.studies.tuning.space import space_of
from harness.studies.unit_spec import UnitSpec
from harness.studies.unused import facts_of, refuse_unused_options, refuse_unused_params, refuse_unused_preset

if TYPE_CHECKING:
    from harness.training.context import Precision

UNKNOWN = "unknown until the data is there"
"""Fingerprint of a dataset whose files have not been looked at."""


@dataclass(frozen=True, kw_only=True)
class ResolvedStudy:
    """A study with nothing left open.

    Attributes:
        method: the method's class.
        params: its hyper-parameters.
        preset: the preset they started from, if any.
        dataset, protocol_name, protocol: the dataset and how it is split, selected and scored.
        input: what the method reads.
        splits: all folds of the protocol.
        folds: the folds that are run.
        seeds: one run of every fold per seed.
        precision: arithmetic.
        fingerprint: SHA-256 over the dataset's labels and content.
        opened: what units depend on beside it, known once the data is opened (``Inputs.identity``).
        tuning: how the hyper-parameters are searched; None where they are not.
        fixed: hyper-parameters that the user has set, and that are not searched therefore.
        devices: how many devices train one unit together.
        features: the feature set that is read; None makes the features that are needed.
        shared_cost: what was spent once for all studies that use it (``Inputs.shared_cost``).
        origins: where values come from, by their dotted names in :meth:`as_dict`.
    """

    method: type[Method]
    params: Params
    preset: str | None
    dataset: Dataset
    protocol_name: str
    protocol: ProtocolCard
    input: InputSettings
    splits: Splits
    folds: tuple[Fold, ...]
    seeds: tuple[int, ...]
    precision: Precision
    fingerprint: str = UNKNOWN
    opened: Mapping[str, str] = field(default_factory=dict)
    tuning: TuneSettings | None = None
    fixed: tuple[str, ...] = ()
    devices: int = 1
    features: FeatureSet | None = None
    shared_cost: Mapping[str, Any] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)

    @property
    def input_differs(self) -> tuple[str, ...]:
        """In what the input differs from the method's published one; empty where features come with the dataset."""
        used = self.input.model_dump()
        published = nearest_input(self.method_card.published, used) if self.dataset.card.source.reads else None
        return () if published is None else published.differences(used)

    @cached_property
    def pretraining_overlap(self) -> dict[str, str]:
        """Public cohort that slides are from → whether the encoder was pre-trained on it, as far as is known."""
        return pretraining_overlap(self.input.encoder, cohorts_of(self.dataset))

    @property
    def method_card(self) -> MethodCard:
        """The method's card."""
        return self.method.card

    @property
    def units(self) -> tuple[UnitSpec, ...]:
        """The units that are run, fold by fold within each seed."""
        return tuple(self.unit(fold, seed) for seed in self.seeds for fold in self.folds)

    @property
    def study_id(self) -> str:
        """Name of the study: the same for any choice of folds and seeds."""
        return self.unit(self.folds[0], self.seeds[0]).study_id

    def as_dict(self) -> dict[str, Any]:
        """The resolved configuration, JSON-able."""
        return {
            "method": self.method_card.name,
            "labels": ["slides", *self.method_card.needs],
            "dataset": self.dataset.card.name,
            **self._task,
            "protocol": self.protocol_name,
            "preset": self.preset,
            "params": self.params.as_dict(),
            "input": self.input.model_dump(mode="json"),
            **self._published,
            **({"pretraining_overlap": dict(self.pretraining_overlap)} if self.pretraining_overlap else {}),
            **({"pretraining_cohorts": list(cohorts)} if (cohorts := pretraining_cohorts(self.input.encoder)) else {}),
            "protocol_settings": {**self.protocol.settings(), **metric_versions(self.params, self.tuning)},
            "split_sha256": self.splits.sha256,
            "folds": [f"r{fold.repeat}f{fold.fold}" for fold in self.folds],
            "seeds": list(self.seeds),
            "precision": self.precision,
            **({} if self.features is None else {"features": str(self.features.folder)}),
            **self.dataset.card.source.evidence(),
            **({"devices": self.devices} if self.devices > 1 else {}),
            "dataset_fingerprint": self.fingerprint,
            **self._tuned,
        }

    def unit(self, fold: Fold, seed: int) -> UnitSpec:
        """One unit."""
        return UnitSpec(
            method=self.method_card.name,
            method_version=method_version(self.method),
            params=self.params.as_dict(),
            dataset=self.dataset.card.name,
            dataset_fingerprint=self.fingerprint,
            protocol=self.protocol_name,
            protocol_settings={
                **self.protocol.model_dump(
                    mode="json", exclude={"title", "note", "splits", "ranked", "auc", "allow_leaks"}
                ),
                **metric_versions(self.params, self.tuning),
            },
            split_sha256=self.splits.sha256,
            repeat=fold.repeat,
            fold=fold.fold,
            seed=seed,
            input=self.input.model_dump(mode="json") | self._reports | self._features | self._files | dict(self.opened),
            precision=self.precision,
            tuning=None if self.tuning is None else {**self.tuning.as_dict(), "fixed": list(self.fixed)},
            devices=self.devices,
        )

    @property
    def _task(self) -> dict[str, Any]:
        """What is predicted, where that is not classes."""
        return self.dataset.task.described()

    @property
    def _published(self) -> dict[str, Any]:
        """The method's published input, and in what this study's differs, where input settings have an effect."""
        if not self.dataset.card.source.reads:
            return {}
        published = nearest_input(self.method_card.published, self.input.model_dump())
        differs = list(self.input_differs)
        return {
            "published_input": "none declared" if published is None else published.as_dict(),
            **({"input_differs": differs} if differs else {}),
        }

    @property
    def _tuned(self) -> dict[str, Any]:
        """How it is tuned, if it is."""
        if self.tuning is None:
            return {}
        space = space_of(self.method.Params, fixed=self.fixed, method=self.method_card.name)
        return {"tuning": {**self.tuning.as_dict(), "space": [asdict(dimension) for dimension in space]}}

    @property
    def _features(self) -> dict[str, str]:
        """Identity of the features, where they were there before."""
        return {} if self.features is None else self.features.identity

    @cached_property
    def _files(self) -> dict[str, Any]:
        """Identity of the files that hyper-parameters name, if they name any."""
        found = param_files(self.params.as_dict())
        return {"param_files": found} if found else {}

    @cached_property
    def _reports(self) -> dict[str, str]:
        """Identity of the reports, for a method that learns from them."""
        return {"reports": reports_fingerprint(self.dataset)} if "reports" in self.method_card.needs else {}


def resolve(config: StudyConfig) -> ResolvedStudy:
    """Fill in what ``config`` leaves open.

    Raises:
        UsageError: a name or value that does not exist or does not fit, with the nearest right one.
    """
    config.launch.find()
    method = find_method(config.method)
    dataset, features = dataset_of(config)
    check_task(method.card, dataset)
    check_classes(method.card, dataset)
    name, preset = _preset(method.card, dataset, config)
    params_set, input_set = split_settings(config.set)
    asked = {key: config.origins.get(f"set.{key}", COMMAND_LINE) for key in config.set}
    params = method.Params.build({**preset.params, **params_set}, place=f"hyper-parameters of {method.card.name}")
    refuse_unused_options(config, dataset)
    layers = layers_of(input_set, asked, preset, preset_origin(config, name))
    input_settings, input_origins = resolve_input(method, params, dataset, layers, features)
    check_needs(method.card, dataset)
    check_select_metric(params, dataset)
    check_devices(method, params, config.devices)
    protocol_name, protocol = dataset.protocol(config.protocol)
    splits = dataset.splits(protocol_name)
    if protocol.select == "test" and not method.final_stage:
        raise UsageError(
            f"protocol {protocol_name} compares epochs on the test slides, and method {method.card.name} "
            "cannot predict while it is trained",
            place="--protocol",
            fix=f"choose another protocol; bench datasets show {dataset.name} lists them",
        )
    facts = facts_of(input_settings.kind, protocol, splits, tuned=config.tune is not None)
    refuse_unused_params(method, params, preset, asked, facts)
    if config.preset is not None and name is not None:
        refuse_unused_preset(method, params, name, preset, facts)
    folds = _folds(splits, config.folds)
    if features is not None:
        features.check(folds)
    check_folds(dataset, protocol_name, protocol, folds, tuned=_tuning_metric(config, dataset))
    return ResolvedStudy(
        method=method,
        params=params,
        preset=name,
        dataset=dataset,
        protocol_name=protocol_name,
        protocol=protocol,
        input=input_settings,
        splits=splits,
        folds=folds,
        seeds=config.seeds,
        precision="fp32" if config.precision == "auto" else cast("Precision", config.precision),
        tuning=config.tune,
        fixed=_fixed(config, method, params_set),
        devices=config.devices,
        features=features,
        origins=origins_of(config, method, name, preset, input_origins),
    )


def _fixed(config: StudyConfig, method: type[Method], params_set: Mapping[str, Any]) -> tuple[str, ...]:
    """The hyper-parameters that tuning leaves alone; checks that it has something left."""
    if config.tune is None:
        return ()
    space_of(method.Params, fixed=params_set, method=method.card.name)
    return tuple(sorted(params_set))


def _preset(card: MethodCard, dataset: Dataset, config: StudyConfig) -> tuple[str | None, Preset]:
    name = config.preset or dataset.card.presets.get(card.name)
    if name in (None, "none"):
        return None, Preset(help="")
    if name not in card.presets:
        place = "--preset" if config.preset else f"presets in the card of {dataset.card.name}"
        raise unknown("preset", str(name), card.presets, place=place, listing=f"bench methods show {card.name}")
    return name, card.presets[str(name)]


def _tuning_metric(config: StudyConfig, dataset: Dataset) -> str:
    """The score that chooses hyper-parameters on the protocol's own validation slides; empty where none does."""
    if config.tune is None or config.tune.folds > 1:
        return ""
    return config.tune.metric or dataset.task.metrics[0]


def _folds(splits: Splits, wanted: tuple[int, ...] | None) -> tuple[Fold, ...]:
    """The chosen folds, numbered from 0 through all repeats."""
    if wanted is None:
        return splits.folds
    if wrong := [number for number in wanted if not 0 <= number < len(splits.folds)]:
        raise UsageError(
            f"there is no fold {wrong[0]}", place="--fold", fix=f"choose from 0 to {len(splits.folds) - 1}"
        )
    return tuple(splits.folds[number] for number in wanted)
