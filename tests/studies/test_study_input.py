"""The input of a study: all methods on all datasets, who wins where several name a value, and what is refused."""

from __future__ import annotations

import functools

import pytest
import yaml

from harness.api.registry import find_method, list_methods
from harness.core.errors import BenchError, UsageError
from harness.datasets.catalog import find_dataset
from harness.studies.config import StudyConfig
from harness.studies.resolve import ResolvedStudy, resolve


@pytest.fixture(autouse=True, scope="module")
def datasets_are_read_once():
    """Reading all cards and splits takes most of the time that resolving a study takes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("harness.studies.feature_set.find_dataset", functools.cache(find_dataset))
        yield


METHODS = [entry.name for entry in list_methods()]
DATASETS = ("musk1", "musk2", "colon-nuclei", "camelyon16-mini", "camelyon16")


def study(method: str, dataset: str, **changes: object) -> ResolvedStudy:
    return resolve(StudyConfig(method=method, dataset=dataset, **changes))


def refused(method: str, dataset: str, **changes: object) -> BenchError:
    with pytest.raises(BenchError) as caught:
        study(method, dataset, **changes)
    return caught.value


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("method", METHODS)
def test_every_study_shows_the_published_input_or_what_differs(method, dataset):
    card = find_method(method).card
    try:
        found = study(method, dataset)
    except UsageError as error:
        assert method in error.problem
        return
    plan = found.as_dict()
    if dataset.startswith("musk"):
        assert "published_input" not in plan and not found.input_differs
        return
    if not card.published:
        assert plan["published_input"] == "none declared" and not found.input_differs
        return
    published, used = plan["published_input"], plan["input"]
    assert published["source"]
    for name in ("kind", "encoder", "tile_px"):
        assert any(text.startswith(f"{name} ") for text in found.input_differs) == (published[name] != used[name])
    assert plan.get("input_differs", []) == list(found.input_differs)
    assert {f"input.{name}" for name in used} <= set(found.origins)


@pytest.mark.parametrize("method", ["icmil", "msamil", "abmilx"])
def test_methods_that_train_their_encoder_have_their_own_input_on_camelyon16(method):
    found = study(method, "camelyon16")
    assert not found.input_differs
    assert found.input.encoder == find_method(method).card.published[0].encoder


def test_methods_on_features_share_those_that_the_dataset_names():
    assert study("clam_sb", "camelyon16").input == study("dsmil", "camelyon16").input
    assert not study("clam_sb", "camelyon16").input_differs
    assert any("SimCLR" in text for text in study("dsmil", "camelyon16").input_differs)


@pytest.mark.parametrize(("method", "dataset"), [("icmil", "camelyon16-mini"), ("icmil", "colon-nuclei")])
def test_presets_for_small_inputs_say_that_they_differ(method, dataset):
    found = study(method, dataset)
    assert found.preset in {"mini", "colon"}
    assert [text.partition(" ")[0] for text in found.input_differs][:1] == ["encoder"]


def test_who_names_a_value_first_wins():
    config = {"input.encoder": "conv64", "input.tile_px": 64}
    found = study("icmil", "camelyon16", set=config, origins={"set.input.encoder": "config file"})
    assert (found.input.encoder, found.input.tile_px, found.input.mpp) == ("conv64", 64, (0.5,))
    assert found.origins["input.encoder"] == "config file"
    assert found.origins["input.tile_px"] == "command line"
    assert found.origins["input.mpp"] == "published input of icmil"
    assert study("mean_pool", "camelyon16", set={"input.kind": "tiles"}).origins["input.mpp"] == "default"
    assert study("icmil", "camelyon16-mini").origins["input.mpp"] == "preset mini (dataset card)"
    assert study("icmil", "camelyon16-mini", preset="none").origins["input.mpp"] == "dataset card"


def test_how_tiles_are_laid_and_resampled_enters_the_identity_only_where_it_is_not_as_ever():
    plain = study("abmilx", "camelyon16-mini")
    stated = study("abmilx", "camelyon16-mini", set={"input.align": "corner", "input.resampler": "level"})
    assert stated.as_dict()["input"] == plain.as_dict()["input"]
    assert not {"align", "resampler"} & set(plain.as_dict()["input"])
    for name, value in (("align", "tiles"), ("resampler", "dct")):
        other = study("abmilx", "camelyon16-mini", set={f"input.{name}": value})
        assert other.as_dict()["input"] == plain.as_dict()["input"] | {name: value}
        assert f"{name} {value}" in other.input_differs
        assert other.origins[f"input.{name}"] == "command line"
    assert "input.align" in refused("abmilx", "camelyon16-mini", set={"input.align": "left"}).place
    assert "no effect" in refused("abmil", "musk1", set={"input.align": "tiles"}).problem


@pytest.mark.parametrize("mpp", [0.5, [0.5], [0.5, 1.0], [1.0, 2.0]])
def test_too_few_resolutions_are_refused_by_the_methods_name(mpp):
    error = refused("msamil", "camelyon16", set={"input.mpp": mpp})
    assert "msamil" in error.problem and "3 resolutions" in error.problem
    assert "input.mpp=[0.5,1,2]" in error.fix


def test_a_dataset_that_names_too_few_is_refused_too(tmp_path, toy_slides_card):
    folder = toy_slides_card(inputs=[{"kind": "tiles", "encoder": "conv64", "mpp": [0.5, 1.0], "tile_px": 64}])
    assert "dataset card" in refused("msamil", str(folder)).place
    assert "low_ratio=0" in refused("abmilx", "colon-nuclei", preset="none").fix
    assert "single" in refused("msamil", "colon-nuclei").problem


def test_a_dataset_that_names_nothing_takes_the_published_input(toy_slides_card):
    folder = toy_slides_card(inputs=[{"kind": "tiles"}, {"kind": "features"}])
    for method in ("msamil", "clam_sb", "transmil", "icmil", "abmilx"):
        assert not study(method, str(folder)).input_differs
    found = study("dsmil", str(folder))
    assert (found.input.tile_px, found.origins["input.encoder"]) == (224, "default")


def test_resolutions_that_nobody_reads_are_cut_or_refused():
    assert study("abmil", "camelyon16-mini", set={"input.kind": "tiles"}).input.mpp == (0.5,)
    drawn = {"input.kind": "tiles", "low_ratio": 4, "tiles_per_bag": 32}
    assert study("abmil", "camelyon16-mini", set=drawn).input.mpp == (0.5, 1.0)
    assert "reads 1" in refused("icmil", "camelyon16", set={"input.mpp": [0.5, 1.0]}).problem
    assert "reads 1" in refused("clam_sb", "camelyon16", set={"input.mpp": [0.5, 1.0]}).problem


@pytest.mark.parametrize("mpp", [[1.0, 0.5], [0.5, 0.5], [-0.5], 0, [0.0, 1.0], float("inf"), "fine", []])
def test_resolutions_that_make_no_sense(mpp):
    assert "mpp" in refused("icmil", "camelyon16", set={"input.mpp": mpp}).place


def test_tiles_finer_than_the_slides_are_refused():
    assert "finer" in refused("icmil", "camelyon16", set={"input.mpp": 0.1}).problem
    assert "finer" in refused("icmil", "camelyon16-mini", set={"input.mpp": 0.25}).problem
    assert study("icmil", "camelyon16", set={"input.mpp": 0.25}).input.mpp == (0.25,)


@pytest.mark.parametrize(
    ("encoder", "nearest"),
    [
        ("nonsense123", ""),
        ("resnt50.tv_in1k", "resnet50"),
        ("resnet50.tv_in1kk", "resnet50.tv_in1k"),
        ("resnet50.tv_in1k@layer9", "layer"),
        ("vit_small_patch16_224.dino@layer3", "ResNet"),
        ("conv46", "conv64"),
        ("conv27", "conv64"),
        ("fil:conv64=x", "file:"),
        ("file:conv64=/no/such/file", "path"),
    ],
)
def test_an_encoder_that_does_not_exist_is_refused_with_the_nearest(encoder, nearest):
    error = refused("clam_sb", "camelyon16-mini", set={"input.encoder": encoder})
    assert encoder.partition("@")[0].partition("=")[0] in f"{error.problem} {error.place}"
    assert nearest in error.fix


@pytest.fixture
def toy_slides_card(tmp_path, toy_dataset):
    """A function that makes the card of a dataset of slides, whose files are not there."""

    def make(inputs: list[dict[str, object]]):
        card = yaml.safe_load((toy_dataset / "card.yaml").read_text())
        card["source"] = {"kind": "slides", "layouts": {"flat": ["{slide}.tif"]}}
        (toy_dataset / "card.yaml").write_text(yaml.safe_dump(card | {"inputs": inputs}))
        return toy_dataset

    return make
