"""What is known of an encoder's pre-training data, by whatever name it goes."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from harness.datasets.cohorts import cohorts_of
from harness.datasets.dataset import load_dataset
from harness.encoders.overlap import pretraining_cohorts, pretraining_overlap


@pytest.mark.parametrize(
    ("encoder", "seen"),
    [
        ("phikon", "yes"),
        ("hf-hub:owkin/phikon-v2", "yes"),
        ("file:ctranspath@chief=x.pth", "likely"),
        ("conch", "no"),
        ("uni_v1", "unlikely"),
        ("hoptimus1", "unknown"),
        ("resnet50.tv_in1k@layer3", "no"),
        ("virchow2", "unlikely"),
    ],
)
def test_the_encoder_is_known_by_any_name(encoder: str, seen: str) -> None:
    assert pretraining_overlap(encoder, ["tcga"]) == {"tcga": seen}
    assert pretraining_overlap(encoder, []) == {}


def test_of_drawn_weights_and_unknown_encoders_nothing_is_said() -> None:
    for encoder in ("random:phikon", "conv64", "my net: of my own", "", "resnet18.tv_in1k"):
        assert pretraining_overlap(encoder, ["tcga"]) == {}
    assert pretraining_cohorts("phikon_v2") == ("cptac", "gtex", "tcga") and pretraining_cohorts("phikon") == ("tcga",)
    assert pretraining_cohorts("random:phikon") == pretraining_cohorts("conch") == pretraining_cohorts("") == ()
    assert pretraining_overlap("phikon_v2", ["gtex", "other"]) == {"gtex": "yes", "other": "unknown"}


def test_cohorts_are_those_of_the_card_and_of_barcodes(toy_dataset: Path) -> None:
    assert cohorts_of(load_dataset(toy_dataset)) == ()
    card = yaml.safe_load((toy_dataset / "card.yaml").read_text())
    (toy_dataset / "card.yaml").write_text(yaml.safe_dump(card | {"cohorts": ["CPTAC"]}))
    labels, splits = toy_dataset / "labels.csv", toy_dataset / "splits.csv"
    assert cohorts_of(load_dataset(toy_dataset)) == ("cptac",)
    for file in (labels, splits):
        file.write_text(file.read_text().replace("toy_001,", "TCGA-05-4244-01Z-00-DX1,"))
    assert cohorts_of(load_dataset(toy_dataset)) == ("cptac", "tcga")
