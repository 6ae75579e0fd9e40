"""Published inputs: every one has a source and can be read, and what differs from one is named."""

from __future__ import annotations

import re

import pytest

from harness import MethodCard, MethodError, MILMethod, MILParams, PublishedInput
from harness.api.check import check_method
from harness.api.published import nearest_input
from harness.api.registry import list_methods
from harness.encoders.check import check_encoder

CARDS = [entry.card for entry in list_methods() if entry.card is not None]
DECLARED = [(card.name, one) for card in CARDS for one in card.published]
FINE = PublishedInput(source="section 3", kind="tiles", encoder="resnet50.tv_in1k@layer3", mpp=(0.5, 1.0), tile_px=256)
USED = {"kind": "tiles", "encoder": "resnet50.tv_in1k@layer3", "mpp": (0.5, 1.0), "tile_px": 256}


@pytest.mark.parametrize(("name", "one"), DECLARED, ids=[name for name, _ in DECLARED])
def test_a_published_input_names_paper_or_repository_and_can_be_built(name, one):
    assert re.search(r"arXiv \d{4}\.\d{5}|github\.com/\S+ at [0-9a-f]{7}", one.source)
    assert list(one.mpp) == sorted(one.mpp) and one.mpp and one.tile_px > 0
    if one.encoder_available:
        check_encoder(one.encoder, tile_px=one.tile_px)


def test_methods_for_whole_slides_declare_their_input():
    without = {card.name for card in CARDS if not card.published}
    assert without <= {"abmil", "gated_abmil", "mean_pool", "max_pool"}, "their papers have no whole slides"
    assert all(len(one.mpp) == card.scales for card in CARDS for one in card.published)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({}, ""),
        ({"mpp": [0.49, 0.98]}, ""),
        ({"encoder": "resnet18.tv_in1k@layer3"}, "encoder"),
        ({"encoder": "random:resnet50.tv_in1k@layer3"}, "encoder"),
        ({"mpp": (0.5,)}, "mpp"),
        ({"mpp": (0.5, 2.0)}, "mpp"),
        ({"mpp": ()}, "mpp unknown"),
        ({"tile_px": 224}, "tile_px 224 (published: 256)"),
        ({"kind": "features"}, "kind"),
    ],
)
def test_what_differs_is_named(change, named):
    found = FINE.differences(USED | change)
    assert len(found) == bool(named)
    assert named in "".join(found)


def test_weights_that_the_user_supplies_can_be_the_published_ones():
    one = PublishedInput(
        source="s", kind="tiles", encoder="file:vit", encoder_available=False, mpp=(0.5, 1.0), tile_px=256
    )
    assert not one.differences(USED | {"encoder": "file:vit=/weights.pth"})
    assert one.differences(USED | {"encoder": "file:vit_small=/weights.pth"})
    assert "encoder" not in one.as_settings()


def test_the_nearest_of_several_is_compared_with():
    far = PublishedInput(source="s", kind="features", encoder="conv64", mpp=(2.0,), tile_px=64)
    assert nearest_input((far, FINE), USED | {"tile_px": 224}) is FINE
    assert nearest_input((), USED) is None


def test_a_card_without_a_source_is_refused():
    class Own(MILMethod):
        card = MethodCard(
            name="own",
            title="Own",
            paper="none",
            published=(PublishedInput(source=" ", kind="features", encoder="conv64", mpp=(0.5,), tile_px=64),),
        )

        def aggregator(self, dim):
            raise NotImplementedError

    with pytest.raises(MethodError, match="source"):
        check_method(Own, "own", "here")


def test_conditions_on_names_that_do_not_exist_are_refused():
    class Own(MILMethod):
        card = MethodCard(name="own", title="Own", paper="none")

        class Params(MILParams):
            only_with = {"patience": {"optimiser": ("adam",)}}  # noqa: RUF012

        def aggregator(self, dim):
            raise NotImplementedError

    with pytest.raises(MethodError, match="optimiser"):
        check_method(Own, "own", "here")
