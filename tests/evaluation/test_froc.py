"""FROC is that of the challenge's definition, written as a loop over thresholds; lesions are those of its masks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.measure import label, regionprops

from harness.evaluation.froc import PER_SLIDE, Detections, detections, froc, lesions_of, major_axis


def loop(false: list[list[float]], best: list[list[float]], ignored: int) -> float:
    """Mean sensitivity by the definition: count at every threshold, and read off at the given false positives."""
    alarms, hits = [one for each in false for one in each], [one for each in best for one in each]
    thresholds = sorted({*alarms, *hits, *([0.0] if ignored else [])})[1:]
    points = [(sum(a >= t for a in alarms) / len(false), sum(h >= t for h in hits) / len(hits)) for t in thresholds]
    points = [*points, (0.0, 0.0)][::-1]
    return float(np.mean(np.interp(PER_SLIDE, [x for x, _ in points], [y for _, y in points])))


SCORES = st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]), max_size=12)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(SCORES, st.lists(st.sampled_from([0.0, 0.2, 0.55, 0.9]), max_size=4)), min_size=1, max_size=5)
)
def test_it_is_the_mean_sensitivity_of_the_definition(slides: list[tuple[list[float], list[float]]]) -> None:
    if not any(best for _, best in slides):
        return
    found = froc(
        [Detections(np.array(false), np.array(best), ignored=k == 0) for k, (false, best) in enumerate(slides)]
    )
    assert found.score == pytest.approx(loop([one for one, _ in slides], [one for _, one in slides], 1))
    assert (np.diff(found.false_positives) >= 0).all() and (np.diff(found.sensitivity) >= 0).all()


def test_perfect_and_blind_detectors() -> None:
    normal = Detections(np.empty(0), np.empty(0))
    assert froc([Detections(np.empty(0), np.array([0.9, 0.8, 0.0])), normal]).score == pytest.approx(2 / 3)
    assert froc([Detections(np.ones(30), np.zeros(2)), normal]).score == 0
    with pytest.raises(ValueError, match="a lesion that counts"):
        froc([normal])


def drawn() -> np.ndarray:
    """At 8 µm per pixel: a large lesion with a hole, two parts 40 µm apart, and a few cells."""
    mask = np.zeros((200, 200), bool)
    mask[20:80, 20:80], mask[40:50, 40:50] = True, False
    mask[120:160, 20:40], mask[120:160, 45:65] = True, True
    mask[150:155, 150:155] = True
    return mask


def test_lesions_are_joined_filled_and_sorted_by_length() -> None:
    numbers, isolated = lesions_of(drawn(), 8.0)
    assert numbers.max() == 3 and numbers[45, 45] == numbers[30, 30] != 0
    assert numbers[140, 42] == numbers[140, 30] == numbers[140, 60]
    assert isolated.tolist() == [numbers[152, 152]]
    assert numbers[30, 16] == numbers[30, 30] and numbers[30, 14] == 0  # grown by less than 37.5 µm
    assert lesions_of(drawn(), 80.0)[1].tolist() == []
    assert lesions_of(np.zeros((5, 5)), 8.0)[0].max() == 0


def test_the_major_axis_is_that_of_scikit_image() -> None:
    rng = np.random.default_rng(0)
    mask = label(rng.uniform(size=(60, 60)) < 0.6, connectivity=2)
    for region in regionprops(mask)[:10]:
        assert major_axis(mask[region.slice] == region.label) == pytest.approx(region.axis_major_length)


def test_detections_find_lesions_once_and_isolated_cells_never() -> None:
    numbers, isolated = lesions_of(drawn(), 8.0)
    found = detections([0.9, 0.8, 0.7, 0.6, 0.5], [30, 50, 152, 190, 100], [30, 60, 152, 10, 190], numbers, isolated)
    assert sorted(found.lesions.tolist()) == [0.0, 0.9] and found.false.tolist() == [0.6, 0.5] and found.ignored == 1
    assert detections([0.4, 0.3], [0, 1], [0, 1], None).false.tolist() == [0.4, 0.3]
    with pytest.raises(ValueError, match="outside of the mask"):
        detections([0.4], [500], [0], numbers)
    with pytest.raises(ValueError, match="above 0"):
        detections([0.0], [0], [0], numbers)
