from __future__ import annotations

from harness.features.extraction import Extraction, set_name


def test_only_what_changes_features_tells_sets_apart() -> None:
    assert Extraction().identity == Extraction(batch=7, devices=3).identity == {}
    assert Extraction(precision="bf16", dtype="float32").identity == {"precision": "bf16", "dtype": "float32"}


def test_sets_have_readable_names() -> None:
    assert set_name("virchow2@cls+mean", 0.5, 224, "0123456789ab") == "virchow2@cls+mean-0.5mpp-224px-01234567"
    assert set_name("file:uni_v1=/models/uni.bin", 0.0, 27, "ab" * 8) == "file_uni_v1-file-27px-abababab"
    assert set_name("hf-hub:owner/net", 1.0, 256, "c" * 8) == "net-1mpp-256px-cccccccc"
