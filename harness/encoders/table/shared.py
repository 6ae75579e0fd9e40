"""What several rows have in common: transforms, licences, arguments."""

from __future__ import annotations

from harness.encoders.table.row import HALF, Transform

NC_ND = "CC BY-NC-ND 4.0"
BILINEAR = Transform(interpolation="bilinear")
HALF_BILINEAR = Transform(HALF, interpolation="bilinear")
BIOPTIMUS = Transform(((0.707223, 0.578729, 0.703617), (0.211883, 0.230117, 0.177517)))
LUNIT = ((0.70323, 0.53607, 0.66096), (0.21717, 0.26082, 0.20723))
FOUR = (0.25, 0.5, 1.0, 2.0)
SWIGLU = {"mlp_layer": "swiglu_packed", "act_layer": "silu"}
ONE_TILE = {"img_size": 224, "init_values": 1e-5}
CONFIGURED = "what is not known here is read from the config.json beside its weights"
