from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from harness.datasets.card import TissueSettings
from harness.slides.no_tissue import reason, suggestion
from harness.slides.prepare import PrepareSettings, prepare_slides
from harness.slides.tissue import find_tissue

SETTINGS = TissueSettings()
MPP = 8.0


def _slide(inside: tuple[float, ...], ground: tuple[float, ...] = (244, 244, 244), noise: float = 1.5) -> np.ndarray:
    picture = np.full((200, 260, 3), ground, float)
    picture[DISC] = inside
    picture += np.random.default_rng(0).normal(0, noise, (200, 260, 1 if len(set(ground)) == 1 else 3))
    return picture.clip(0, 255).astype(np.uint8)


_Y, _X = np.mgrid[:200, :260]
DISC = (_X - 130) ** 2 + (_Y - 100) ** 2 < 60**2


def _found(picture: np.ndarray, settings: TissueSettings = SETTINGS) -> tuple[np.ndarray, str, dict[str, Any]]:
    tissue = find_tissue(picture, MPP, settings)
    if tissue.mask.any():
        return tissue.mask, "", {}
    return tissue.mask, reason(tissue, MPP, settings), suggestion(picture, MPP, settings, tissue)


@pytest.mark.parametrize(
    ("inside", "words", "change"),
    [
        ((150, 150, 150), "no colour", {"measure": "brightness"}),
        ((60, 60, 60), "no colour", {"measure": "brightness"}),
        ((60, 58, 55), "black", {"measure": "brightness"}),
        ((238, 231, 238), "strongest colour is 7", {"threshold": 4.0}),
        ((234, 234, 234), "no colour", {"measure": "brightness", "threshold": 6.0}),
    ],
)
def test_tissue_without_colour_has_a_reason_and_a_setting_that_finds_it(
    inside: tuple[float, ...], words: str, change: dict[str, Any]
) -> None:
    picture = _slide(inside, noise=0.5)
    mask, why, advice = _found(picture)
    assert not mask.any()
    assert words in why
    assert "tissue starts at 10 of 255" in why
    assert advice.keys() == change.keys()
    assert advice == pytest.approx(change, abs=1) if "measure" not in change else advice["measure"] == "brightness"
    mask, _, _ = _found(picture, SETTINGS.model_copy(update=advice))
    assert mask[DISC].mean() > 0.95
    assert mask[~DISC].mean() < 0.05


def test_auto_takes_brightness_where_colour_finds_nothing() -> None:
    auto = SETTINGS.model_copy(update={"measure": "auto"})
    stained, grey = _slide((205, 150, 190)), _slide((150, 150, 150))
    found = find_tissue(stained, MPP, auto)
    assert (found.mask == find_tissue(stained, MPP, SETTINGS).mask).all()
    assert (found.measure, found.notes) == ("colour", ())
    found = find_tissue(grey, MPP, auto)
    assert found.mask[DISC].mean() > 0.95 and found.mask[~DISC].mean() < 0.05
    assert "found by brightness" in found.notes[-1]
    # Fainter than either measure takes by itself: the advice names one of them.
    faint = _slide((234, 234, 234), noise=0.5)
    mask, why, advice = _found(faint, auto)
    assert not mask.any() and "no colour" in why
    assert advice["measure"] == "brightness" and "threshold" in advice
    assert find_tissue(faint, MPP, auto.model_copy(update=advice)).mask[DISC].mean() > 0.95
    with pytest.raises(ValueError, match="of one measure"):
        TissueSettings.model_validate({"measure": "auto", "threshold": 20.0})


@pytest.mark.parametrize("noise", [0.0, 2.0, 6.0])
@pytest.mark.parametrize("quality", [30, 60, 95])
@pytest.mark.parametrize("measure", ["colour", "auto"])
def test_glass_alone_gets_a_reason_and_no_advice(noise: float, quality: int, measure: str) -> None:
    picture = np.random.default_rng(0).normal(243, noise, (200, 260, 3)).clip(0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
    mask, why, advice = _found(np.array(Image.open(buffer)), SETTINGS.model_copy(update={"measure": measure}))
    assert not mask.any()
    assert "strongest colour" in why
    assert advice == {}


def test_pieces_that_are_too_small_are_named_so() -> None:
    picture = np.full((200, 260, 3), 244, np.uint8)
    picture[50:200:60, 50:250:60] = (150, 60, 140)
    picture[51:200:60, 50:250:60] = (150, 60, 140)
    mask, why, _ = _found(picture, SETTINGS.model_copy(update={"min_area_mm2": 0.002}))
    assert not mask.any()
    assert "pieces below 0.002 mm²" in why


@pytest.mark.parametrize(
    ("inside", "change"),
    [((20, 40, 220), {"background": "black"}), ((190, 190, 190), {"background": "black", "measure": "brightness"})],
)
def test_fluorescence_is_refused_as_such(inside: tuple[float, ...], change: dict[str, Any]) -> None:
    picture = _slide(inside, (4, 4, 4))
    mask, why, advice = _found(picture)
    assert not mask.any()
    assert "background is dark" in why
    assert advice == change
    mask, _, _ = _found(picture, SETTINGS.model_copy(update=advice))
    assert mask[DISC].mean() > 0.95
    assert mask[~DISC].mean() < 0.05


def test_black_padding_is_neither_ink_nor_tissue() -> None:
    for inside, settings in (((200, 120, 170), {}), ((150, 150, 150), {"measure": "brightness"})):
        picture = _slide(inside)
        picture[:, :40] = 0
        picture[190:] = 0
        found = find_tissue(picture, MPP, SETTINGS.model_copy(update=settings))
        assert found.pen_mm2 == {}
        assert found.mask[DISC & (_Y < 180)].mean() > 0.95
        assert not found.mask[:, :40].any()
        assert found.mask[~DISC].mean() < 0.02


def test_a_slide_full_of_tissue_needs_no_glass() -> None:
    rng = np.random.default_rng(0)
    picture = rng.normal((190, 120, 165), 12, (200, 260, 3)).clip(0, 255).astype(np.uint8)
    assert find_tissue(picture, MPP, SETTINGS).mask.mean() > 0.99
    picture[:, :60] = 0
    assert find_tissue(picture, MPP, SETTINGS).mask[:, 70:].mean() > 0.99


def test_faint_dab_is_tissue() -> None:
    assert _found(_slide((235, 228, 218)))[0][DISC].mean() > 0.95


def test_ink_may_be_taken_for_tissue(draw: Callable[..., np.ndarray]) -> None:
    picture = draw(400, 300).astype(np.uint8)
    picture[100:200, 150:250] = (25, 22, 26)
    assert not find_tissue(picture, MPP, SETTINGS).mask[120:180, 170:230].any()
    found = find_tissue(picture, MPP, SETTINGS.model_copy(update={"pen": "keep", "measure": "brightness"}))
    assert found.pen_mm2 == {}
    assert found.mask[120:180, 170:230].all()


def test_a_threshold_is_taken_as_it_is() -> None:
    picture = _slide((205, 150, 190))
    for threshold, share in ((40.0, 1.0), (90.0, 0.0)):
        found = find_tissue(picture, MPP, SETTINGS.model_copy(update={"threshold": threshold}))
        assert found.threshold == threshold
        assert found.mask[DISC].mean() == pytest.approx(share, abs=0.05)
    assert "threshold" in suggestion(picture, MPP, SETTINGS.model_copy(update={"threshold": 90.0}), found)


def test_the_settings_are_part_of_the_identity_of_an_index(make_slide: Callable[..., Path], tmp_path: Path) -> None:
    y, x = np.mgrid[:512, :512]
    picture = np.full((512, 512, 3), 244, np.uint8)
    picture[(x - 256) ** 2 + (y - 256) ** 2 < 150**2] = 150
    slides = {"grey": make_slide("grey.tif", picture)}
    out = tmp_path / "out"

    def prepared(**change: Any) -> Any:
        tissue = TissueSettings.model_validate({"mpp": 4.0, "min_area_mm2": 0.001} | change)
        return prepare_slides(slides, out, PrepareSettings((0.5,), 64, tissue), workers=0).rows[0]

    failed = prepared()
    assert failed.status == "failed"
    assert "--tissue-measure brightness" in failed.reason
    assert "tissue: {measure: brightness}" in failed.reason
    ready = prepared(measure="brightness")
    assert (ready.status, ready.reused) == ("ready", False)
    assert prepared(measure="brightness").reused
    assert not prepared(measure="brightness", threshold=30.0).reused
