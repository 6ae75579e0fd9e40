"""Augmentation: exact where it moves pixels, per tile where it resamples, a function of the seed alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from harness.bags.augment import MAX_SHIFT, NAMES, Augment, _shrunk
from harness.core.errors import UsageError

SIDE = 24


def _tiles(count: int, side: int = SIDE) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, generator=generator)


def _ramp(count: int, side: int = 64) -> Tensor:
    """Red rises with x, green with y, both linear; so a resampled pixel tells where it came from."""
    line = (torch.arange(side) + 0.5) / side * 2 - 1
    x, y = line.expand(side, side), line[:, None].expand(side, side)
    return torch.stack([x, y, torch.zeros_like(x)]).expand(count, 3, side, side)


def _symmetries(tile: Tensor) -> list[Tensor]:
    flips = [tile, tile.flip(2), tile.flip(1), tile.flip(1, 2)]
    return flips + [flip.transpose(1, 2) for flip in flips]


@pytest.mark.parametrize("name", NAMES)
def test_equal_seeds_give_equal_tiles_and_leave_the_global_generator_alone(name: str) -> None:
    augment, tiles = Augment(name, SIDE), _tiles(20)
    torch.manual_seed(1)
    first = augment(tiles, 5)
    after = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(torch.rand(1), after)
    assert torch.equal(augment(tiles, 5), first)
    assert name == "none" or not torch.equal(augment(tiles, 6), first)
    assert first.dtype == torch.float32
    assert torch.equal(tiles, _tiles(20)), "the input was changed"


@pytest.mark.parametrize("name", NAMES)
def test_parameters_belong_to_the_tile_not_to_the_chunk(name: str) -> None:
    augment, tiles = Augment(name, SIDE), _tiles(33)
    whole = augment(tiles, 3)
    assert torch.equal(augment(tiles[:7], 3), whole[:7])
    draw = augment.draw(33, 3)
    parts = [augment.apply(tiles[k : k + 10], draw[k : k + 10]) for k in range(0, 33, 10)]
    torch.testing.assert_close(torch.cat(parts), whole, rtol=0, atol=1e-3)
    same = augment(tiles[:1].expand(16, -1, -1, -1), 3)
    if name != "none":
        assert len(same.flatten(1).unique(dim=0)) > 2, "copies of one tile were all treated alike"


@pytest.mark.parametrize("as_float", [False, True])
def test_none_is_the_identity(as_float: bool) -> None:
    tiles = _tiles(4).float() / 3 if as_float else _tiles(4)
    assert torch.equal(Augment("none", SIDE)(tiles, 0), tiles.float())


@pytest.mark.parametrize(("name", "kinds"), [("flips", 4), ("rotate", 8)])
def test_flips_and_turns_move_pixels_exactly_and_are_equally_likely(name: str, kinds: int) -> None:
    tile = _tiles(1)[0]
    result = Augment(name, SIDE)(tile.expand(800, -1, -1, -1), 1)
    allowed = torch.stack(_symmetries(tile.float())[:kinds])
    which = (result[:, None] == allowed[None]).flatten(2).all(2)
    assert which.any(1).all(), "a result is not a symmetry of the tile"
    counts = which.sum(0)
    assert len(counts) == kinds
    assert ((counts - 800 / kinds).abs() < 5 * (800 / kinds) ** 0.5).all()


@pytest.mark.parametrize("name", ["flips", "rotate"])
def test_memory_layout_does_not_change_the_result(name: str) -> None:
    tiles = _tiles(16)
    last = tiles.contiguous(memory_format=torch.channels_last)
    assert torch.equal(Augment(name, SIDE)(last, 2), Augment(name, SIDE)(tiles, 2))


def _boxes(result: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Where each crop came from, read off the ramp: left edge, right edge (n, 2 axes), and mirrored (n, 2)."""
    out = result.shape[-1]
    x = result[:, 0, out // 2]
    y = result[:, 1, :, out // 2]
    lines = torch.stack([x, y], 1)
    # Two inner pixels give slope and centre: the outermost pixels of a tile are clamped.
    step = (lines[..., -3] - lines[..., 2]) / (out - 5)
    centre = (lines[..., -3] + lines[..., 2]) / 2
    half = step.abs() * out / 2
    return centre - half, centre + half, step < 0


@pytest.mark.parametrize(("name", "crop_min"), [("weak", 0.25), ("strong", 0.08)])
def test_crops_have_the_area_ratio_and_place_that_are_promised(name: str, crop_min: float) -> None:
    low, high, mirrored = _boxes(Augment(name, 32, crop_min)(_ramp(2000), 4))
    sides = (high - low) / 2
    area, ratio = sides.prod(1), sides[:, 0] / sides[:, 1]
    slack = 0.02
    assert (low > -1 - slack).all()
    assert (high < 1 + slack).all()
    assert area.min() > crop_min - slack
    assert area.min() < crop_min + 0.05
    assert area.max() > 0.95
    assert ratio.min() > 3 / 4 - slack
    assert ratio.max() < 4 / 3 + slack
    assert abs(float(ratio.log().mean())) < 0.02, "wide and high crops are equally likely"
    # Away from area 1, where wide crops do not fit, the area is uniform.
    assert abs(float((area < (crop_min + 0.6) / 2).double().mean()) - (0.6 - crop_min) / 2 / (1 - crop_min)) < 0.06
    shares = mirrored.double().mean(0)
    assert ((shares - 0.5).abs() < 0.05).all() if name == "strong" else (shares == 0).all()


def test_weak_strong_shifts_by_up_to_the_published_share() -> None:
    augment = Augment("weak_strong", 32, 0.9)
    draw, still = augment.draw(2000, 4), Augment("weak", 32, 0.9).draw(2000, 4)
    assert draw.box is not None
    assert still.box is not None
    shift = (draw.box - still.box)[:, :2] / 2
    assert shift.abs().max() <= MAX_SHIFT
    assert shift.abs().max() > 0.95 * MAX_SHIFT
    assert shift.mean(0).abs().max() < 0.02
    constant = torch.full((8, 3, 32, 32), 200, dtype=torch.uint8)
    torch.testing.assert_close(augment(constant, 0), constant.float())  # no black borders


def test_a_crop_equals_cutting_and_resizing_by_hand() -> None:
    tiles = _tiles(1, 32)
    augment = Augment("weak", 16)
    draw = augment.draw(1, 0)
    assert draw.box is not None
    draw.box[0] = torch.tensor([-0.25, 0.5, 0.5, 0.5])  # columns 4..19, rows 16..31, at full resolution
    torch.testing.assert_close(augment.apply(tiles, draw), tiles[:, :, 16:32, 4:20].float(), atol=1e-2, rtol=0)


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_crop_that_is_shrunk_is_antialiased(mirrored: bool) -> None:
    tiles = _tiles(2, 64)
    augment = Augment("strong", 24)
    draw = augment.draw(2, 0)
    assert draw.box is not None
    draw.turn[:] = 3 * mirrored
    draw.box[:] = torch.tensor([[0.0, 0.0, 1.0, 1.0], [-0.25, 0.25, 0.5, 0.75]])
    found = augment.apply(tiles, draw)
    for tile, result, (left, top, right, bottom) in zip(tiles, found, [(0, 0, 64, 64), (8, 16, 40, 64)], strict=True):
        crop = tile[None, :, top:bottom, left:right].float()
        right_one = functional.interpolate(crop, (24, 24), mode="bilinear", antialias=True)
        right_one = right_one.flip((2, 3)) if mirrored else right_one
        # At its own edge a crop is not cut off: the pixels beside it count too.
        torch.testing.assert_close(result[None, ..., 2:-2, 2:-2], right_one[..., 2:-2, 2:-2], atol=1e-2, rtol=0)
    stripes = torch.zeros(1, 3, 64, 64)
    stripes[..., ::2] = 200
    shrunk = Augment("weak", 24, 1.0)(stripes, 0)[..., 2:-2, 2:-2]
    torch.testing.assert_close(shrunk, torch.full_like(shrunk, 100), atol=12, rtol=0)


def test_both_ways_of_resampling_agree_where_nothing_is_shrunk() -> None:
    tiles = _tiles(20, 33)
    augment = Augment("weak_strong", 32, 0.2)
    draw = augment.draw(20, 5)
    assert draw.box is not None
    plain = Augment("weak_strong", 33, 0.2).apply(tiles, draw)
    torch.testing.assert_close(_shrunk(tiles, draw.box[:, :2], draw.box[:, 2:], 33), plain, atol=1e-2, rtol=0)
    rows = augment.apply(tiles, draw)
    torch.testing.assert_close(augment.apply(tiles[3:5], draw[slice(3, 5)]), rows[3:5], atol=1e-3, rtol=0)


@pytest.mark.parametrize("name", NAMES)
def test_results_have_the_size_that_is_asked_for_and_stay_in_range(name: str) -> None:
    result = Augment(name, 16)(_tiles(6), 0)
    assert result.shape == (6, 3, 16, 16)
    assert result.min() >= 0
    assert result.max() <= 255


def test_resizing_is_antialiased() -> None:
    stripes = torch.zeros(1, 3, 64, 64)
    stripes[..., ::2] = 200
    resized = Augment("none", 16)(stripes, 0)
    torch.testing.assert_close(resized, torch.full_like(resized, 100), atol=12, rtol=0)


def test_unknown_names_and_impossible_crops_are_refused() -> None:
    with pytest.raises(UsageError) as caught:
        Augment("weak_string", SIDE)
    assert "weak_strong" in caught.value.fix
    for area in (0.0, 1.5):
        with pytest.raises(UsageError):
            Augment("weak", SIDE, area)
