"""timm networks with published weights, from the hub or its local cache."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlparse

from torch import nn

from harness.core.errors import DataError
from harness.encoders.check import check_timm
from harness.encoders.names import EncoderName

_NETWORK = ("huggingface_hub", "httpx", "httpcore", "requests", "urllib3")


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
        with _quick_when_offline():
            return timm.create_model(name.model, pretrained=pretrained, num_classes=0)
    except Exception as error:
        # Network, proxy, hub and cache fail in dozens of ways; all of them leave the user without weights.
        raise _unavailable(name, error) from error


def _unavailable(name: EncoderName, error: Exception) -> DataError:
    kind = type(error)
    if kind.__name__ == "GatedRepoError":
        return DataError(
            f"the weights of {name.model} are behind an agreement",
            place=name.place,
            fix="accept the terms on the model's page, then log in with: hf auth login",
        )
    if not (issubclass(kind, OSError) or kind.__module__.startswith(_NETWORK)):
        reason = (str(error).strip() or kind.__name__).splitlines()[0][:160]
        return DataError(
            f"timm cannot build {name.model}: {reason}", place=name.place, fix="choose another encoder, or update timm"
        )
    network = f"{name.model}@layer{name.stage}" if name.stage else name.model
    return DataError(
        f"the weights of {name.model} cannot be downloaded and are not in the local cache ({kind.__name__})",
        place=name.place,
        fix="fetch it once where there is a network and copy that cache here (HF_HOME)"
        if name.model.startswith("hf-hub:")
        else f"put a local file with file:{network}=PATH, or use random:{network}",
    )


@contextmanager
def _quick_when_offline() -> Iterator[None]:
    """Without a network, look into the cache at once; the hub's client would first retry for most of a minute."""
    from huggingface_hub import constants

    host = urlparse(constants.ENDPOINT).hostname or ""
    proxied = any(os.environ.get(key) for key in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"))
    before = constants.HF_HUB_OFFLINE
    if not before and not proxied and not _resolves(host):
        constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _resolves(host: str) -> bool:
    try:
        socket.getaddrinfo(host, 443)
    except OSError:
        return False
    return True
