from __future__ import annotations

import pytest

from harness.encoders.spelling import canonical, same, width_problem
from harness.encoders.table import ROWS


def test_spellings_of_tools_become_one_name() -> None:
    assert {canonical(name) for name in ("uni_v1", "UNI", "uni", "mahmood_uni")} == {"uni_v1"}
    assert {canonical(name) for name in ("uni_v2", "uni2-h", "UNI2")} == {"uni_v2"}
    assert canonical("my_own_net") == "my_own_net"


def test_the_width_pins_the_variant() -> None:
    assert canonical("virchow2", 2560) == "virchow2@cls+mean"
    assert canonical("virchow2", 1280) == "virchow2@cls"
    assert canonical("resnet50", 1024) == canonical("resnet50@layer3") == "resnet50.tv_in1k@layer3"
    assert canonical("resnet50", 2048) == "resnet50", "which recipe's weights the name does not say"


def test_names_that_may_mean_the_same() -> None:
    assert same("virchow2", "virchow2@cls+mean")
    assert same("Prov-GigaPath", "gigapath")
    assert not same("virchow2@cls", "virchow2@cls+mean")
    assert not same("uni_v1", "uni_v2")
    assert same("my_net", "MyNet")


@pytest.mark.parametrize(
    ("name", "width", "words"),
    [
        ("uni_v1", 1027, "Owkin"),
        ("uni_v1", 1026, "DSMIL"),
        ("virchow2@cls", 2560, "virchow2@cls.mean"),
        ("phikon", 1536, "mean of the patch tokens"),
        ("uni_v2", 768, "half"),
        ("uni_v1", 1536, "1024"),
    ],
)
def test_a_wrong_width_names_its_likely_cause(name: str, width: int, words: str) -> None:
    import re

    assert re.search(words, width_problem(name, width))


def test_right_widths_and_unknown_encoders_are_no_problem() -> None:
    assert not [one for one in ROWS if width_problem(one.name, one.width)]
    assert not width_problem("my_own_net", 77)
