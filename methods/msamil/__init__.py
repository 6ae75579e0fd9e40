"""MsaMIL-Net: lesions found on thumbnails, tiles of three real field sizes, extractor and fusion trained together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from harness import Method, MethodCard, Params, PublishedInput
from harness.api import TrainedModel
from methods.msamil.params import MsaMILParams
from methods.msamil.presets import PRESETS, SMOKE

if TYPE_CHECKING:
    from torch import nn

    from harness import BagSource, Prediction, Run, Stage
    from methods.msamil.network import MsaMILNet
    from methods.msamil.tile_filter import TileFilter

OPEN_POINTS = (
    "the method is known from its abstracts and from a Chinese text of the complete method section that matches them; "
    "no official code, and no training recipe or result table of the paper was at hand: learning rates, epochs, decay, "
    "schedule, warm-up, clipping and augmentation are ours",
    "loss of the segmenter: binary cross-entropy plus Dice over the batch; optimiser AdamW with a cosine, after a "
    "third-party re-implementation that lowers the rate on plateaus; masks of validation slides choose its epoch",
    "lesion mask: sigmoid above 0.5; the segmenter's encoder is EfficientNet-B3 (re-implementation)",
    "scales: d_k = 512, 1024, 2048 pixels at 20x resized to 512 are tiles of one size at 0.5, 1 and 2 microns per "
    "pixel; 20x is taken as 0.5 microns per pixel whatever the scanner",
    "windows: the tiles of the slide's tissue grid, step = side; those that reach over the edge are dropped, and with "
    "them a scale whose field is larger than the slide",
    "no window above 0.7 at any scale: the 12 windows of each scale with the largest lesion share of at least 0.1; if "
    "there is none either, all tissue tiles of all scales",
    "data without lesion masks: the filter is off and all tissue tiles of all scales are used",
    "1536 to 512: a linear layer first, then 2 pre-LN transformer layers of 8 heads with learned positions and a class "
    "token, and a closing layer norm",
    "coordinates: top-left corners as x/W and y/H, scale as 0, 1, 2 from the finest; the sequence is sorted by x, y, "
    "scale",
    "low-rank attention is called multi-head but printed with one map: 8 heads of rank 32, full-width V split over the "
    "heads (--set mhe_heads=1 for the print); 2 layers",
    "the printed equations of the hierarchical encoder have no residual connections and forget place and scale: "
    "residual by default, --set residual=false for the literal ones",
    "gates of the ten queries are sigmoids and not normalised, as printed; queries start from N(0, 1)",
    "the head's weights start from N(0, 0.01²) and its bias from 0 (ours; no first weights are known from the paper): "
    "ten open gates add up to a long vector, and with torch's own the network starts overconfident",
    "200 tiles are drawn uniformly over all kept tiles, not per scale; the record has the kept tiles per scale",
    "batch norms of the extractor use fixed statistics, which makes the two-pass gradient exact; where the trunk "
    "starts from random weights they are set once from training tiles (bn_calibration)",
    "the filter on training slides uses the segmenter that was trained on their masks, in the paper's order of steps",
    "class weights n / (C n_c) in the loss; no colour jitter",
)


class MsaMIL(Method):
    """Three stages: a lesion segmenter (masks of training slides), the filter, the bag network (slide labels).

    1. UNet++ on thumbnails, N x N pixels; frozen afterwards.
    2. At each scale, tiles whose lesion share on the predicted mask exceeds 0.7, with fallbacks.
    3. Extractor and fusion, 200 of the kept tiles per slide and step, cross-entropy; prediction over all kept tiles.
    """

    card = MethodCard(
        name="msamil",
        version=1,
        title="MsaMIL-Net: lesion filter, three field sizes, end to end",
        paper="Wen, Wen, Fang 2025, arXiv 2503.08581",
        inputs=("tiles",),
        scales=3,
        published=(
            PublishedInput.of(
                PRESETS["paper_reading"].input,
                source="arXiv 2503.08581, sections on SFFM and MSFEM: fields of 512, 1024 and 2048 pixels at 20x, each "
                "resized to 512; EfficientNet-B3. Its weights are not stated: ImageNet's here",
            ),
        ),
        needs=("masks",),
        attention=True,
        open_points=OPEN_POINTS,
        presets=PRESETS,
        parity="no official code to compare with; parts are tested against the equations",
        described_by=(
            "methods.msamil.network:MsaMILNet",
            "methods.msamil.extractor:Extractor",
            "methods.msamil.mhe:HierarchicalEncoder",
            "methods.msamil.dmq:DynamicQuery",
        ),
        smoke=SMOKE,
    )

    Params: ClassVar[type[Params]] = MsaMILParams
    final_stage: ClassVar[str] = "train"
    params: MsaMILParams
    network: MsaMILNet
    tile_filter: TileFilter
    outlined_by: tuple[str, ...] = ()
    """Slides whose masks the segmenter learnt from."""

    def stages(self, train: BagSource, val: BagSource | None, run: Run) -> Iterator[Stage]:
        """Stage A where there are masks, then the filter, then stage B."""
        from methods.msamil import bag_stage, segmenter, tile_filter
        from methods.msamil.network import build_network

        params, found, checked = self.params, None, None
        outlined = segmenter.Outlined.of(train, params.thumbnail_px) if params.segment else None
        if outlined is not None:
            with run.seeded("init", "segmenter"):
                found = segmenter.Segmenter(params).to(run.device)
            checked = segmenter.Outlined.of(val, params.thumbnail_px)
            self.outlined_by = outlined.ids
        self.network = build_network(params, self.task, train, run)
        if found is not None and outlined is not None:
            yield segmenter.segment_stage(found, params, outlined, checked, run)
        self.tile_filter = tile_filter.TileFilter(found, params, run.device)
        with run.meter.stage("filter"):
            parts = {"train": train} if val is None else {"train": train, "val": val}
            kept = {name: [self.tile_filter(bags, bag) for bag in range(len(bags))] for name, bags in parts.items()}
        run.facts["filter"] = tile_filter.kept_facts(kept)
        bag_stage.calibrate(self.network, params, train, self.tile_filter, run)
        yield bag_stage.bag_stage(self.network, params, train, val, self.tile_filter, run)

    def predict(self, bags: BagSource, run: Run) -> Prediction:
        """Probabilities from all kept tiles; weights of coarse tiles are spread over the fine ones below them.

        Raises:
            LeakError: the run is of a fold that does not train on the slides whose masks the segmenter learnt from.
        """
        from methods.msamil import bag_stage, segmenter

        run.audit(self.outlined_by, stage=segmenter.SEGMENTER)
        return bag_stage.predict(self.network, bags, self.tile_filter, run)

    def trained_model(self) -> TrainedModel:
        """The bag network, and the segmenter where there is one."""
        segmenter = self.tile_filter.segmenter
        networks: dict[str, nn.Module] = {"network": self.network} | (
            {} if segmenter is None else {"segmenter": segmenter}
        )
        return TrainedModel(networks, {"segmenter": segmenter is not None})

    def rebuild(self, bags: BagSource, run: Run, facts: Mapping[str, Any]) -> None:
        """The same networks; published weights of the segmenter are not fetched."""
        from methods.msamil import segmenter, tile_filter
        from methods.msamil.network import build_network

        self.network = build_network(self.params, self.task, bags, run)
        found = segmenter.Segmenter(self.params, published=False).to(run.device) if facts["segmenter"] else None
        self.tile_filter = tile_filter.TileFilter(found, self.params, run.device)
