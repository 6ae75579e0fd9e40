"""Vision transformers of which tools write the class token alone, or with the mean of the patch tokens behind it.

Sources: the loaders of TRIDENT (a91fa84), slide2vec (7cfa6bf) and eva (73b61a7), and the pages of the weights.
"""

from __future__ import annotations

from dataclasses import replace

from harness.encoders.table.row import Network, Row, Weights
from harness.encoders.table.shared import BIOPTIMUS, FOUR, HALF_BILINEAR, NC_ND, ONE_TILE, SWIGLU

_CLS, _MEAN = "the class token alone", "the class token and the mean of the patch tokens"


def _with_mean(row: Row, by_class: tuple[str, ...], by_both: tuple[str, ...]) -> tuple[Row, Row]:
    """``NAME@cls`` and ``NAME@cls+mean`` of one network; tools that write one of them under the bare name."""
    alone = replace(row, name=f"{row.name}@cls", pooling="cls", spellings=by_class, note=_CLS)
    return alone, replace(
        row, name=f"{row.name}@cls+mean", pooling="cls+mean", width=2 * row.width, spellings=by_both, note=_MEAN
    )


_VIRCHOW = Row(
    name="virchow",
    title="Virchow",
    builder=Network("vit_huge_patch14_224", {**ONE_TILE, **SWIGLU, "mlp_ratio": 5.3375, "global_pool": ""}),
    pooling="cls",
    width=1280,
    weights=Weights("paige-ai/Virchow"),
    licence="Apache-2.0",
    gate="approval",
    tcga="unlikely",
)
_VIRCHOW2 = replace(
    _VIRCHOW,
    name="virchow2",
    title="Virchow2",
    builder=Network(
        "vit_huge_patch14_224", {**ONE_TILE, **SWIGLU, "mlp_ratio": 5.3375, "global_pool": "", "reg_tokens": 4}
    ),
    weights=Weights("paige-ai/Virchow2"),
    licence=NC_ND,
    gate="terms",
    mpp=FOUR,
)
_H0_MINI = Row(
    name="h0_mini",
    title="H0-mini",
    builder=Network("vit_base_patch14_reg4_dinov2", {"img_size": 224, **SWIGLU}, configured=True),
    pooling="cls",
    width=768,
    transform=BIOPTIMUS,
    weights=Weights("bioptimus/H0-mini"),
    licence=NC_ND,
    gate="terms",
    tcga="yes",
)
_MIDNIGHT = Row(
    name="midnight12k",
    title="Midnight-12k",
    builder=Network("vit_giant_patch14_dinov2", {"img_size": 224}, names="transformers"),
    pooling="cls",
    width=1536,
    transform=HALF_BILINEAR,
    weights=Weights("kaiko-ai/midnight"),
    licence="MIT",
    gate="none",
    tcga="yes",
    mpp=FOUR,
)
ROWS: tuple[Row, ...] = (
    *_with_mean(_VIRCHOW, ("virchow",), ("virchow", "virchowfull")),
    *_with_mean(_VIRCHOW2, ("virchow2", "paigevirchow2"), ("virchow2",)),
    *_with_mean(_H0_MINI, ("h0mini", "bioptimush0mini"), ("h0mini",)),
    *_with_mean(_MIDNIGHT, ("midnight12k", "midnight", "kaikomidnight12k"), ("midnight12k", "midnight")),
)
