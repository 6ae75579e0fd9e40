"""Every preset of every method trains: one epoch on a handful of drawn bags, with its own settings otherwise.

What is made small is how much there is to do, never what is done. Published encoders are built by their names with
drawn weights, since their files are not at hand.
"""

from __future__ import annotations

import math
from typing import Any

import pytest

from harness import Classification, Method, Preset
from harness.api.registry import Registry
from harness.conformance.synthetic_bags import SyntheticBags, draw

ONE = ("epochs", "seg_epochs", "probe_epochs", "finetune_epochs", "warm_epochs", "distil_checks")
AT_MOST = {
    "batch_size": 2, "tiles_per_bag": 6, "tiles_per_step": 6, "warm_tiles": 6, "fresh_tiles": 3, "stored_tiles": 6,
    "distil_steps": 2, "distil_batch": 6, "distil_val_tiles": 6, "seg_batch_size": 2, "thumbnail_px": 64,
    "bn_calibration": 6, "codewords": 4,
}  # fmt: skip
PRESETS = [
    (entry.name, label) for entry in Registry().entries() for label in (entry.card.presets if entry.card else ())
]


def small(cls: type[Method], preset: Preset) -> dict[str, Any]:
    """The preset's hyper-parameters, with less to do."""
    values = {**{name: default for name, (_, _, default) in cls.Params.describe().items()}, **preset.params}
    changes = {name: min(values[name], 1) for name in ONE if name in values}
    changes |= {name: min(values[name], most) for name, most in AT_MOST.items() if name in values}
    # Published weights of a segmenter are a download.
    changes |= {name: None for name in ("seg_weights",) if name in values}
    return {**preset.params, **changes}


def bags(cls: type[Method], preset: Preset, count: int, seed: int, *, held_out: bool = False) -> SyntheticBags:
    """Bags of 5 to 9 features, or of four tiles at each scale (two where the encoder is a large one)."""
    settings = preset.input
    own = settings.get("encoder") in {"conv27", "conv64"}
    kind = settings.get("kind", cls.card.inputs[0])
    drawn = draw(
        kind,
        count,
        seed=seed,
        n_scales=len(settings.get("mpp", (1,))),
        tile_px=settings["tile_px"] if own else 64,
        held_out=held_out,
        needs=cls.card.needs,
    )
    if kind == "features":
        return drawn
    return drawn.with_bags([bag.cut(4 if own else 2) for bag in drawn.bags], held_out=held_out)


@pytest.mark.parametrize(("name", "label"), PRESETS)
def test_a_preset_trains_for_an_epoch(name: str, label: str, make_run: Any) -> None:
    cls = Registry().find(name)
    preset = cls.card.presets[label]
    encoder = preset.input.get("encoder", "")
    if encoder and not encoder.startswith("conv"):
        encoder = f"random:{encoder}"
    params = cls.Params.build(small(cls, preset), place=label)
    method = cls(params, Classification(("no", "yes"), encoder=encoder))
    run = make_run(checkpoint_seconds=3600.0)
    few = encoder.startswith("random:")  # large ones take seconds for each bag
    method.fit(bags(cls, preset, 2 if few else 4, 1), bags(cls, preset, 2, 2), run)
    test = bags(cls, preset, 2, 3, held_out=True)
    method.predict(test, run).check(test.ids, 2, method=name)
    losses = [row["loss"] for row in run.curve]
    assert losses
    assert all(math.isfinite(float(loss)) for loss in losses)
