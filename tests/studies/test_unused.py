"""What nothing would read is refused by its name, and what is read is not."""

from __future__ import annotations

import functools

import pytest

from harness.api.registry import find_method, list_methods
from harness.core.errors import UsageError
from harness.datasets.catalog import find_dataset
from harness.studies.config import StudyConfig
from harness.studies.resolve import resolve


@pytest.fixture(autouse=True, scope="module")
def datasets_are_read_once():
    """Reading all cards and splits takes most of the time that resolving a study takes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("harness.studies.feature_set.find_dataset", functools.cache(find_dataset))
        yield


METHODS = [entry.name for entry in list_methods()]


@pytest.mark.parametrize(
    ("method", "dataset", "changes", "named"),
    [
        ("abmil", "musk1", {"set": {"input.encoder": "nonsense123"}}, "input.encoder"),
        ("abmil", "musk1", {"set": {"input.encoder": "conv64"}}, "input.encoder"),
        ("abmil", "musk1", {"set": {"input.mpp": 0.5}}, "input.mpp"),
        ("abmil", "musk1", {"set": {"input.tile_px": 64}}, "input.tile_px"),
        ("abmil", "colon-nuclei", {"set": {"input.tile_px": 64}}, "input.tile_px"),
        ("abmil", "colon-nuclei", {"set": {"input.mpp": 0.5}}, "input.mpp"),
        ("icmil", "colon-nuclei", {"preset": "published"}, "input.mpp and input.tile_px"),
        ("abmil", "musk1", {"data_root": "elsewhere"}, "--data-root"),
        ("clam_sb", "musk1", {"set": {"patience": 3}}, "patience"),
        ("clam_sb", "musk1", {"set": {"min_epochs": 3}}, "min_epochs"),
        ("clam_sb", "musk1", {"set": {"select_metric": "auc"}}, "select_metric"),
        ("clam_sb", "musk1", {"set": {"select_from": 3}}, "select_from"),
        ("clam_sb", "musk1", {"preset": "published"}, "select_metric"),
        ("transmil", "musk1", {"preset": "published"}, "select_metric"),
        ("abmil", "musk1", {"set": {"augment": "rotate"}}, "augment"),
        ("abmil", "musk1", {"set": {"encode_chunk": 8}}, "encode_chunk"),
        ("abmil", "musk1", {"set": {"recompute": True}}, "recompute"),
        ("abmil", "musk1", {"set": {"low_ratio": 4, "tiles_per_bag": 8}}, "low_ratio"),
        ("abmil", "musk1", {"set": {"betas": [0.5, 0.9]}}, "betas"),
        ("abmil", "colon-nuclei", {"set": {"crop_min": 0.5}}, "crop_min"),
        ("abmil", "colon-nuclei", {"set": {"min_lr": 1e-6}}, "min_lr"),
        ("abmil", "camelyon16-mini", {"set": {"lr_drop_factor": 0.5}}, "lr_drop_factor"),
        ("abmil", "camelyon16-mini", {"set": {"min_epochs": 3}}, "min_epochs"),
        ("abmil", "camelyon16-mini", {"set": {"sampling_regions": 3}}, "sampling_regions"),
        ("icmil", "camelyon16-mini", {"set": {"mixup_slides": 3}}, "mixup_slides"),
        ("icmil", "camelyon16-mini", {"set": {"beta": 3}}, "beta"),
        ("dtfd", "camelyon16-mini", {"set": {"instances": 3}}, "instances"),
        ("msamil", "camelyon16-mini", {"set": {"segment": False, "seg_epochs": 3}}, "seg_epochs"),
        ("dre_slcl", "camelyon16-mini", {"set": {"downstream": "probe", "finetune_epochs": 3}}, "finetune_epochs"),
    ],
)
def test_a_setting_without_effect_is_refused(method, dataset, changes, named):
    with pytest.raises(UsageError) as caught:
        resolve(StudyConfig(method=method, dataset=dataset, **changes))
    assert named in caught.value.problem
    assert "no effect" in caught.value.problem


@pytest.mark.parametrize(
    ("method", "dataset", "changes"),
    [
        ("abmil", "musk1", {"set": {"input.kind": "features"}}),
        ("abmil", "colon-nuclei", {"set": {"input.tile_px": 27, "input.encoder": "conv27"}}),
        ("clam_sb", "musk1", {"set": {"patience": 20}}),
        ("clam_sb", "camelyon16-mini", {"preset": "published", "set": {"patience": 3}}),
        ("abmil", "musk1", {"preset": "musk1"}),
        ("abmil", "musk1", {"preset": "none", "set": {"betas": [0.5, 0.9]}}),
        ("abmil", "colon-nuclei", {"set": {"augment": "weak", "crop_min": 0.5}}),
        ("abmil", "colon-nuclei", {"data_root": "patches"}),
    ],
)
def test_a_setting_that_is_read_or_says_what_holds_anyway_is_not(method, dataset, changes):
    resolve(StudyConfig(method=method, dataset=dataset, **changes))


@pytest.mark.parametrize("dataset", ["musk1", "colon-nuclei", "camelyon16-mini", "camelyon16"])
@pytest.mark.parametrize("method", METHODS)
def test_the_preset_that_a_dataset_names_can_be_asked_for(method, dataset):
    try:
        found = resolve(StudyConfig(method=method, dataset=dataset))
    except UsageError:
        return
    if found.preset is not None:
        same = resolve(StudyConfig(method=method, dataset=dataset, preset=found.preset))
        assert same.study_id == found.study_id


@pytest.mark.parametrize("method", METHODS)
def test_conditions_hold_by_default_or_name_what_would_make_them_hold(method):
    params = find_method(method).Params
    assert set(params.only_with) <= set(params.describe())
