"""Resolving: defaults are filled in, wrong names are answered with the right ones."""

from __future__ import annotations

import dataclasses

import pytest

from harness.api.registry import registry, use_plugin
from harness.core.errors import UsageError
from harness.studies.config import StudyConfig
from harness.studies.resolve import UNKNOWN, resolve


@pytest.fixture
def tiny(tiny_plugin):
    """The plugin method's name, for the length of the test."""
    registry.cache_clear()
    use_plugin(str(tiny_plugin))
    yield "tiny"
    registry.cache_clear()


def test_defaults_come_from_method_and_dataset(toy_dataset, tiny):
    study = resolve(StudyConfig(method=tiny, dataset=str(toy_dataset)))
    assert study.protocol_name == "cv2"
    assert study.input.kind == "features"
    assert study.params.lr == 0.02
    assert study.fingerprint == UNKNOWN
    assert [(unit.repeat, unit.fold, unit.seed) for unit in study.units] == [(0, 0, 0), (0, 1, 0)]


def test_the_configuration_says_which_labels_are_used(toy_dataset, tiny, monkeypatch):
    study = resolve(StudyConfig(method=tiny, dataset=str(toy_dataset)))
    assert study.as_dict()["labels"] == ["slides"]
    card = dataclasses.replace(study.method.card, needs=("masks",))
    monkeypatch.setattr(study.method, "card", card)
    assert study.as_dict()["labels"] == ["slides", "masks"]


def test_the_identity_of_a_unit_follows_what_its_result_depends_on(toy_dataset, tiny):
    def first(**changes):
        return resolve(StudyConfig(method=tiny, dataset=str(toy_dataset), **changes)).units[0]

    base = first()
    assert first() == base
    for changes in ({"set": {"lr": 0.1}}, {"protocol": "last"}, {"seeds": (1,)}, {"folds": (1,)}):
        assert first(**changes).unit_id != base.unit_id
    assert first(seeds=(1,)).study_id == base.study_id == first(folds=(1,)).study_id
    assert first(set={"lr": 0.1}).study_id != base.study_id
    assert first(device="cpu", workers=1).unit_id == base.unit_id


def test_a_file_that_a_hyper_parameter_names_is_part_of_the_identity(toy_dataset, tiny_plugin, tmp_path):
    source = tiny_plugin.read_text().replace("tunable\n", "fixed, tunable\n", 1)
    tiny_plugin.write_text(
        source.replace("    epochs: int = 6", '    epochs: int = 6\n        start: str = fixed("none")')
    )
    registry.cache_clear()
    use_plugin(str(tiny_plugin))
    weights = tmp_path / "weights.bin"

    def unit(content: bytes):
        weights.write_bytes(content)
        return resolve(StudyConfig(method="tiny", dataset=str(toy_dataset), set={"start": str(weights)})).units[0]

    one, other = unit(b"1"), unit(b"2")
    registry.cache_clear()
    assert one.params == other.params and one.unit_id != other.unit_id
    assert one.as_dict()["input"]["param_files"]["start"].startswith("blake3:")


@pytest.mark.parametrize(
    ("changes", "problem", "fix"),
    [
        ({"method": "tinny"}, "unknown method 'tinny'", "tiny"),
        ({"protocol": "cv3"}, "unknown protocol 'cv3'", "cv2"),
        ({"set": {"lrr": 1}}, "unknown hyper-parameter 'lrr'", "lr"),
        ({"set": {"lr": "fast"}}, "'fast' is not a valid value", "float"),
        ({"set": {"input.encodr": "x"}}, "unknown input setting 'encodr'", "encoder"),
        ({"set": {"input.kind": "tiles"}}, "asked for: tiles", "--input"),
        ({"preset": "big"}, "unknown preset 'big'", "known"),
        ({"folds": (2,)}, "there is no fold 2", "0 to 1"),
    ],
)
def test_wrong_names_are_answered_with_the_right_ones(toy_dataset, tiny, changes, problem, fix):
    with pytest.raises(UsageError) as caught:
        resolve(StudyConfig(**{"method": tiny, "dataset": str(toy_dataset)} | changes))
    assert problem in caught.value.problem
    assert fix in caught.value.fix


@pytest.mark.parametrize("dataset", ["musk1", "musk2"])
def test_musk_runs_the_recipe_by_default(dataset):
    study = resolve(StudyConfig(method="gated_abmil", dataset=dataset))
    assert study.preset == dataset
    assert len(study.units) == 50
    assert (study.protocol.fit_on, study.protocol.select, study.protocol.normalise) == ("train+val", "last", "train")
    assert study.protocol.ranked
    leaky = resolve(StudyConfig(method="gated_abmil", dataset=dataset, protocol="cv5x10-transductive"))
    assert not leaky.protocol.ranked
