"""Hyper-parameters that every bag method shares. Imports no torch."""

from __future__ import annotations

from typing import ClassVar

from harness.api.effect import SELECTING, SET, TILES, Conditions
from harness.api.params import Params, fixed, tunable
from harness.core.errors import UsageError
from harness.tasks.registry import selecting_metrics

OPTIMIZERS = ("adam", "adamw", "radam", "lookahead_radam", "sgd")
SELECT_METRICS = ("protocol", "auc", "balanced_accuracy", "loss")
AUGMENTATIONS = ("none", "flips", "rotate", "strong", "weak", "weak_strong")


class MILParams(Params):
    """Hyper-parameters that every bag method shares. A method redeclares a field to change its default."""

    lr: float = tunable(2e-4, low=1e-5, high=1e-3, log=True, gt=0, help="learning rate")
    weight_decay: float = tunable(1e-5, low=1e-6, high=1e-2, log=True, ge=0, help="weight decay of the optimiser")
    l2_on: str = fixed("all", choices=("all", "weights"), help="decay all parameters, or matrices and kernels only")
    optimizer: str = fixed(
        "adam",
        choices=OPTIMIZERS,
        help="sgd has Nesterov momentum 0.9; radam's decay is decoupled; lookahead goes half way back every 6 updates",
    )
    betas: tuple[float, ...] = fixed((0.9, 0.999), ge=0, lt=1, help="decay of the two running averages (all but sgd)")
    epochs: int = fixed(50, ge=1, help="epochs at most")
    batch_size: int = fixed(1, ge=1, help="bags per step")
    accumulate: int = fixed(1, ge=1, help="steps per update of the weights")
    clip_grad_norm: float | None = fixed(None, gt=0, help="largest gradient norm; none leaves gradients alone")
    schedule: str = fixed(
        "constant", choices=("constant", "cosine", "inverse"), help="inverse: lr / (1 + 1e-4 * step), as Keras decays"
    )
    warmup_epochs: int = fixed(0, ge=0, help="linear warm-up from 1e-6; the cosine clock is not shifted by it")
    min_lr: float = fixed(1e-7, ge=0, help="where the cosine ends")
    lr_drop_epochs: tuple[int, ...] = fixed(
        (), ge=0, help="from each of these epochs on (from 0), lr times lr_drop_factor"
    )
    lr_drop_factor: float = fixed(0.1, gt=0, help="what the learning rate is multiplied by at lr_drop_epochs")
    select_metric: str = fixed(
        "protocol",
        choices=SELECT_METRICS,
        more=selecting_metrics,
        help="validation score that chooses the epoch and ends patience; protocol: the one all methods are chosen by",
    )
    select_from: int = fixed(0, ge=0, help="first epoch (from 0) that may be chosen; at most the last")
    patience: int | None = fixed(None, ge=1, help="stop after this many epochs without a better validation score")
    min_epochs: int = fixed(0, ge=0, help="never stop before this many epochs")
    balanced: bool = fixed(False, help="draw slides with replacement, every class equally often")
    tiles_per_bag: int = fixed(0, ge=0, help="tiles drawn per slide and visit; 0 takes all")
    low_ratio: int = fixed(0, ge=0, help="r: floor(tiles_per_bag / r) of them from the coarse scale; 0 takes none")
    tile_sampling: str = fixed(
        "random",
        choices=("random", "regions", "attention"),
        help="how tiles_per_bag are drawn: uniformly; as many from each region; those with most attention now",
    )
    sampling_regions: int = fixed(4, ge=1, help="regions along each side of a slide for tile_sampling=regions")
    augment: str = fixed("none", choices=AUGMENTATIONS, help="geometric augmentation per tile (tiles only)")
    crop_min: float = fixed(0.08, gt=0, le=1, help="smallest area of a random crop")
    crop_px: int = fixed(
        0,
        ge=0,
        help="side in pixels to which larger tiles are brought for the encoder: by the random crop in training, "
        "resized as a whole in prediction; 0 leaves them as they are read (tiles only)",
    )
    encode_chunk: int = fixed(
        0,
        ge=0,
        help="tiles per pass through the encoder; in training, batch norm takes its statistics over such a chunk of "
        "the step's tiles, slide after slide; 0: over all tiles of the step",
    )
    recompute: bool = fixed(False, help="encode every chunk twice instead of keeping its activations in memory")
    ema_decay: float | None = fixed(None, gt=0, lt=1, help="decay of averaged weights; none keeps no average")
    report_weights: str = fixed(
        "raw",
        choices=("raw", "ema"),
        help="with ema_decay both kinds are validated each epoch and have a best epoch; which of the two is kept",
    )

    only_with: ClassVar[Conditions] = {
        "l2_on": {"weight_decay": SET},
        "betas": {"optimizer": tuple(name for name in OPTIMIZERS if name != "sgd")},
        "min_lr": {"schedule": ("cosine",)},
        "lr_drop_factor": {"lr_drop_epochs": SET},
        "select_metric": SELECTING,
        "select_from": SELECTING,
        "patience": SELECTING,
        "min_epochs": {**SELECTING, "patience": SET},
        "low_ratio": {**TILES, "tiles_per_bag": SET},
        "sampling_regions": {"tile_sampling": ("regions",)},
        "augment": TILES,
        "crop_min": {**TILES, "augment": ("strong", "weak", "weak_strong")},
        "crop_px": TILES,
        "encode_chunk": TILES,
        "recompute": TILES,
    }

    def encoder_px(self, tile_px: int) -> int:
        """Side in pixels at which the encoder is given tiles that are read at ``tile_px``."""
        return min(self.crop_px or tile_px, tile_px)

    def check(self, place: str) -> None:
        """Values that make no sense together."""
        rules = {
            "report_weights=ema needs ema_decay": self.report_weights == "ema" and self.ema_decay is None,
            "betas must be two numbers": len(self.betas) != 2,
            f"tile_sampling={self.tile_sampling} needs tiles_per_bag": self.tile_sampling != "random"
            and self.tiles_per_bag == 0,
            "tile_sampling=attention ranks the tiles of the fine scale: set low_ratio=0": self.low_ratio > 0
            and self.tile_sampling == "attention",
        }
        for rule, broken in rules.items():
            if broken:
                raise UsageError(rule, place=place, fix="change the value with --set name=value")


def check_devices(params: MILParams, devices: int) -> None:
    """Refuse steps of which some device would have no bag: a bag is never split.

    Raises:
        UsageError: there are more devices than bags in a step.
    """
    if params.batch_size < devices:
        rest = max(1, params.accumulate * params.batch_size // devices)
        raise UsageError(
            f"a step of {params.batch_size} slide{'s' * (params.batch_size > 1)} cannot be shared by {devices} devices",
            place="hyper-parameter batch_size",
            fix=f"add --set batch_size={devices}"
            + (f" --set accumulate={rest}" if params.accumulate > 1 else "")
            + ", or use --devices 1",
        )
