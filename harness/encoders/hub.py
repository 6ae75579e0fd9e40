"""timm networks with published weights, from the hub or its local cache."""

from __future__ import annotations

from torch import nn

from harness.encoders.check import check_timm
from harness.encoders.names import EncoderName
from harness.encoders.published import quick_when_offline, unavailable


def create(name: EncoderName) -> nn.Module:
    """The timm network of ``name`` without its classifier head; its weights are the published or initial ones.

    Raises:
        UsageError: no such network, or no such weights.
        DataError: the weights can neither be fetched nor found in the local cache.
    """
    import timm

    on_hub = name.model.startswith("hf-hub:")
    if not on_hub:
        check_timm(name)
    pretrained = name.origin == "pretrained"
    if not (pretrained or on_hub):
        return timm.create_model(name.model, pretrained=False, num_classes=0)
    try:
        with quick_when_offline():
            return timm.create_model(name.model, pretrained=pretrained, num_classes=0)
    except Exception as error:
        # Network, proxy, hub and cache fail in dozens of ways; all of them leave the user without weights.
        network = f"{name.model}@layer{name.stage}" if name.stage else name.model
        raise unavailable(
            error,
            name=name.model,
            repo=name.model.removeprefix("hf-hub:") if on_hub else "",
            place=name.place,
            instead="fetch it once where there is a network and copy that cache here (HF_HOME)"
            if on_hub
            else f"put a local file with file:{network}=PATH, or use random:{network}",
        ) from error
