"""Encoders that are built by packages of their own, which are on no package index."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from harness.core.errors import UsageError
from harness.encoders.base import TileEncoder

if TYPE_CHECKING:
    from harness.encoders.table.row import Package, Row


class Through(nn.Module):
    """A network of another package, called as ``call`` does."""

    def __init__(self, network: nn.Module, call: Callable[[Any, Tensor], Tensor]) -> None:
        super().__init__()
        self.network = network
        self.call = call

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, H, W) normalised → (n, D)."""
        return self.call(self.network, x)


def check_package(row: Row, package: Package) -> None:
    """Refuse an encoder whose package is not installed.

    Raises:
        UsageError: it says how to install it.
    """
    if importlib.util.find_spec(package.module) is None:
        raise UsageError(
            f"{row.name} needs the package {package.module}, which is not installed",
            place=f"encoder {row.name!r}",
            fix=package.install,
        )


def from_package(row: Row, package: Package, file: Path) -> TileEncoder:
    """The encoder that the package builds, with the weights in ``file``.

    Raises:
        UsageError: the package is not installed.
    """
    check_package(row, package)
    mean, std = row.transform.norm
    return TileEncoder(
        _BUILDERS[package.builder](file),
        name=row.name,
        dim=row.width,
        mean=mean,
        std=std,
        input_px=row.transform.side,
        interpolation=row.transform.interpolation,
    )


def _conch(file: Path) -> nn.Module:
    module: Any = importlib.import_module("conch.open_clip_custom")
    network, _ = module.create_model_from_pretrained("conch_ViT-B-16", checkpoint_path=str(file))
    return Through(network, lambda model, x: model.encode_image(x, proj_contrast=False, normalize=False))


def _musk(file: Path, *, scales: bool = False) -> nn.Module:
    import timm

    importlib.import_module("musk.modeling")  # registers the network with timm
    utils: Any = importlib.import_module("musk.utils")
    network = timm.create_model("musk_large_patch16_384")
    utils.load_model_and_may_interpolate(str(file), network, "model|module", "")
    return Through(
        network,
        lambda model, x: model(image=x, with_head=False, out_norm=False, ms_aug=scales, return_global=True)[0],
    )


_BUILDERS: dict[str, Callable[[Path], nn.Module]] = {
    "conch": _conch,
    "musk": _musk,
    "musk_scales": lambda file: _musk(file, scales=True),
}
