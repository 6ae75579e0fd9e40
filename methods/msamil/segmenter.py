"""SFFM, the first half: UNet++ finds lesions on thumbnails. It learns from masks of training slides alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from harness import BagSource, DataError, Run, Stage, UsageError
from harness.api import Augment, build_schedule

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from methods.msamil.params import MsaMILParams

SMOOTHING = 1.0
"""Pixels added above and below the fraction of the Dice loss, so that a batch without lesions is defined."""

SEGMENTER = "the lesion segmenter"
"""What the leak audit calls it."""

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BLOCK = 4
"""Thumbnails that are segmented at once in validation."""


class Segmenter(nn.Module):
    """UNet++ (Zhou et al. 2018, from segmentation-models-pytorch) over a thumbnail: (n, 3, S, S) → logits (n, S, S).

    Thumbnails are squares whatever the slide's proportions; values 0..255 are normalised by the ImageNet statistics.

    Args:
        params: the method's hyper-parameters.
        published: whether the encoder starts from the published weights that ``params`` name, if any.

    Raises:
        UsageError: unknown encoder.
        DataError: published encoder weights are asked for and cannot be fetched.
    """

    _mean: Tensor
    _std: Tensor

    def __init__(self, params: MsaMILParams, *, published: bool = True) -> None:
        super().__init__()
        self.body = _unet(params, params.seg_weights if published else None)
        _freeze_unused(self.body, 2 ** (params.seg_depth + 1))
        self.register_buffer("_mean", 255 * torch.tensor(_MEAN).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("_std", 255 * torch.tensor(_STD).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, thumbnails: Tensor) -> Tensor:
        """Lesion logits of each pixel."""
        logits: Tensor = self.body((thumbnails.to(self._mean.dtype) - self._mean) / self._std)
        return logits[:, 0]

    @torch.no_grad()
    def lesions(self, thumbnail: Tensor, threshold: float) -> NDArray[np.bool_]:
        """Where the lesion probability of one thumbnail (3, S, S) is above ``threshold``: (S, S)."""
        found: NDArray[np.bool_] = (self(thumbnail.unsqueeze(0))[0].float().sigmoid() > threshold).cpu().numpy()
        return found


def _unet(params: MsaMILParams, weights: str | None) -> nn.Module:
    import segmentation_models_pytorch as smp

    widths = tuple(params.seg_width * 2**level for level in reversed(range(params.seg_depth)))
    try:
        network: nn.Module = smp.UnetPlusPlus(
            encoder_name=params.seg_encoder,
            encoder_depth=params.seg_depth,
            encoder_weights=weights,
            decoder_channels=widths,
            in_channels=3,
            classes=1,
        )
    except (KeyError, ValueError) as error:
        raise UsageError(
            f"no UNet++ with encoder {params.seg_encoder!r}, depth {params.seg_depth} and weights "
            f"{weights or 'none'!r}",
            place="hyper-parameters seg_encoder, seg_depth and seg_weights",
            fix="choose an encoder of segmentation-models-pytorch, such as efficientnet-b3, resnet18 or mobilenet_v2",
        ) from error
    except Exception as error:  # network, proxy, hub and cache fail in many ways
        if weights is None:
            raise
        raise DataError(
            f"the weights {weights!r} of encoder {params.seg_encoder} cannot be fetched",
            place="hyper-parameter seg_weights",
            fix="connect once so that they are in the local cache, or start without them (--set seg_weights=none)",
        ) from error
    return network


def _freeze_unused(body: nn.Module, side: int) -> None:
    """Leave the stages of the encoder out of training that UNet++ of this depth never asks."""
    was_training = body.training
    body.eval()
    with torch.enable_grad():
        body(torch.ones(1, 3, side, side)).sum().backward()
    for parameter in body.parameters():
        parameter.requires_grad_(parameter.grad is not None)
        parameter.grad = None
    body.train(was_training)


@dataclass(frozen=True)
class Outlined:
    """Thumbnails whose lesions are known.

    Attributes:
        images: (n, 3, S, S) uint8.
        masks: (n, 1, S, S) uint8, 1 inside a lesion.
        ids: the slides, n.
    """

    images: Tensor
    masks: Tensor
    ids: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.images)

    @classmethod
    def of(cls, bags: BagSource | None, side: int) -> Outlined | None:
        """The slides of ``bags`` with a mask; None if there is no such slide, or no lesion on any of them."""
        images, masks, ids = [], [], []
        for bag in range(0 if bags is None else len(bags)):
            assert bags is not None
            mask = bags.mask(bag, side)
            image = None if mask is None else bags.thumbnail(bag, side)
            if mask is not None and image is not None:
                images.append(image)
                masks.append(torch.from_numpy(mask.astype(np.uint8)))
                ids.append(bags.ids[bag])
        if not any(bool(mask.any()) for mask in masks):
            return None
        return cls(torch.stack(images).contiguous(), torch.stack(masks).unsqueeze(1), tuple(ids))


@dataclass(frozen=True)
class Batches:
    """Shuffled batches of thumbnails and masks, flipped and turned together; a function of (seed, epoch, step)."""

    data: Outlined
    size: int
    run: Run

    @property
    def steps(self) -> int:
        """Batches per epoch."""
        return -(-len(self.data) // self.size)

    def __call__(self, epoch: int, start: int) -> Iterator[tuple[Tensor, Tensor]]:
        """(images (n, 3, S, S), masks (n, S, S)), float, on the run's device."""
        order = self.run.seeds.numpy("order", "segment", epoch).permutation(len(self.data))
        augment = Augment("rotate", self.data.images.shape[-1])
        for step in range(start, self.steps):
            rows = torch.from_numpy(order[step * self.size : (step + 1) * self.size])
            both = torch.cat([self.data.images[rows], self.data.masks[rows]], 1)
            both = augment(both, self.run.seeds.seed("augment", "segment", epoch, step)).to(self.run.device)
            yield both[:, :3], both[:, 3]


def segmentation_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Binary cross-entropy per pixel plus Dice over all pixels of the batch; both (n, S, S)."""
    logits, probabilities = logits.float(), logits.float().sigmoid()
    overlap = 2 * (probabilities * masks).sum() + SMOOTHING
    dice = 1 - overlap / (probabilities.sum() + masks.sum() + SMOOTHING)
    return functional.binary_cross_entropy_with_logits(logits, masks) + dice


def segment_stage(segmenter: Segmenter, params: MsaMILParams, train: Outlined, val: Outlined | None, run: Run) -> Stage:
    """Stage A. Masks of validation slides choose the epoch, where the protocol lets validation choose; no more.

    Raises:
        LeakError: slides whose masks it would learn from are not training slides of the run's fold.
    """
    run.audit(train.ids, stage=SEGMENTER)
    batches = Batches(train, params.seg_batch_size, run)
    best = run.select == "best" and val is not None

    def loss(batch: tuple[Tensor, Tensor]) -> Tensor:
        images, masks = batch
        return segmentation_loss(segmenter(images), masks)

    trained = [parameter for parameter in segmenter.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=params.seg_lr, weight_decay=params.seg_weight_decay)
    return Stage(
        name="segment",
        module=segmenter,
        batches=batches,
        steps_per_epoch=batches.steps,
        loss=loss,
        optimizers=[optimizer],
        epochs=params.seg_epochs,
        schedule=build_schedule(
            "cosine", lr=params.seg_lr, epochs=params.seg_epochs, steps_per_epoch=batches.steps, min_lr=params.min_lr
        ),
        validate=_validation(segmenter, val, params.mask_threshold, run) if val is not None else None,
        select_by="loss" if best else "last",
        maximise=False,
        patience=params.seg_patience if best else None,
    )


def _validation(segmenter: Segmenter, val: Outlined, threshold: float, run: Run) -> Callable[[], Mapping[str, float]]:
    """Loss and intersection over union over all pixels of the validation thumbnails."""

    def validate() -> Mapping[str, float]:
        logits = torch.cat([segmenter(part.to(run.device)).float().cpu() for part in torch.split(val.images, BLOCK)])
        masks = val.masks[:, 0]
        found, true = logits.sigmoid() > threshold, masks.bool()
        union: Any = (found | true).sum()
        return {
            "loss": float(segmentation_loss(logits, masks.float())),
            "iou": float((found & true).sum() / union.clamp(min=1)),
        }

    return validate
