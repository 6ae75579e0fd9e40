"""The processes that train one unit together, one per device, and what they tell each other.

They communicate through :mod:`torch.distributed`: NCCL between GPUs, Gloo between processors. All of them run the same
code; each is given its part of every batch, and what they must agree on (gradients, losses, scores) is brought together
here. One process alone is the ordinary case, in which none of this does anything.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from harness.core.errors import MethodError

if TYPE_CHECKING:
    import socket

HOST = "127.0.0.1"
PATIENCE = timedelta(minutes=30)
"""How long ranks wait for one another before it is an error. One that died is noticed at once."""

BUCKET = 16 * 2**20
"""Numbers that travel at once when gradients are added up."""


class RanksLostError(ConnectionError):
    """The other ranks do not answer: one has died, or none came in time."""


@dataclass(frozen=True)
class Ranks:
    """This process among those that train a unit.

    Attributes:
        rank: its number from 0; rank 0 alone writes files and speaks to the user.
        world: how many there are.
    """

    rank: int = 0
    world: int = 1

    @property
    def several(self) -> bool:
        """Whether there are others."""
        return self.world > 1

    @property
    def first(self) -> bool:
        """Whether this is the one that writes and speaks."""
        return self.rank == 0

    def total(self, values: Tensor) -> Tensor:
        """The sum of ``values`` over all ranks, the same bits on each of them. Every rank must ask."""
        if not self.several:
            return values
        result = values.detach().clone()
        with _asking():
            torch.distributed.all_reduce(result)
        return result

    def largest(self, *values: int) -> tuple[int, ...]:
        """The largest over all ranks of each of the numbers."""
        if not self.several:
            return values
        result = torch.tensor(values, dtype=torch.int64)
        with _asking():
            torch.distributed.all_reduce(result, torch.distributed.ReduceOp.MAX)
        return tuple(int(value) for value in result)

    def weighted(self, values: Mapping[str, float], weight: float) -> dict[str, float]:
        """``sum over ranks of weight · value`` by name; all ranks have the same names."""
        if not self.several:
            return dict(values)
        sums = self.total(torch.tensor([weight * value for value in values.values()], dtype=torch.float64))
        return dict(zip(values, sums.tolist(), strict=True))

    def of_first(self, values: Mapping[str, float]) -> Mapping[str, float]:
        """What rank 0 says, on every rank: so that all of them decide alike."""
        return values if not self.several else self.gathered(dict(values))[0]

    def gathered(self, value: Any) -> list[Any]:
        """What each rank has to say, by rank."""
        if not self.several:
            return [value]
        found: list[Any] = [None] * self.world
        with _asking():
            torch.distributed.all_gather_object(found, value)
        return found

    def add_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Replace every gradient by its sum over the ranks; one that no rank has stays None."""
        if not self.several:
            return
        everything = list(parameters)
        known = self.largest(*(int(parameter.grad is not None) for parameter in everything))
        held = [parameter for parameter, some in zip(everything, known, strict=True) if some]
        for parameter in held:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        for bucket in _buckets([parameter.grad for parameter in held if parameter.grad is not None]):
            sums = self.total(torch.cat([gradient.reshape(-1) for gradient in bucket]))
            for gradient, part in zip(bucket, torch.split(sums, [one.numel() for one in bucket]), strict=True):
                gradient.copy_(part.view_as(gradient))

    def check_alike(self, state: Mapping[str, Tensor], *place: object) -> None:
        """See that all ranks have the same weights and stand at the same place.

        Raises:
            MethodError: they have drifted apart: what the method computes depends on more than its batch.
        """
        if not self.several:
            return
        floats = [value.detach() for value in state.values() if value.is_floating_point()]
        digest = torch.stack([value.double().sum() for value in floats]).tolist() if floats else []
        found = self.gathered((place, digest))
        # Not a number equals nothing, not even itself, so the texts are compared.
        if any(repr(other) != repr(found[0]) for other in found):
            raise MethodError(
                "the devices have not trained the same weights",
                place=" ".join(map(str, place)),
                fix="run it on one device (--devices 1); a method whose steps depend on more than their batch, such as "
                "one that keeps statistics in buffers, cannot be sharded",
            )


ALONE = Ranks()


@contextmanager
def _asking() -> Iterator[None]:
    """Tell a failure to communicate from all other errors."""
    try:
        yield
    except RuntimeError as error:
        first = (str(error).splitlines() or [""])[0]
        raise RanksLostError(f"the ranks of this unit have lost touch: {first}") from error


def _buckets(gradients: list[Tensor]) -> Iterator[list[Tensor]]:
    """Gradients of one kind, as many together as are worth sending at once."""
    bucket: list[Tensor] = []
    size = 0
    for gradient in gradients:
        other = bucket and (gradient.dtype, gradient.device) != (bucket[0].dtype, bucket[0].device)
        if bucket and (other or size + gradient.numel() > BUCKET):
            yield bucket
            bucket, size = [], 0
        bucket.append(gradient)
        size += gradient.numel()
    if bucket:
        yield bucket


def device_of(device: str, rank: int) -> str:
    """The device of a rank: ``cpu`` for all of them, or GPUs counted from the one that is named."""
    kind, _, number = device.partition(":")
    return device if kind != "cuda" else f"cuda:{int(number or 0) + rank}"


def join(rank: int, world: int, port: int, listener: socket.socket | None, device: str) -> Ranks:
    """Meet the other ranks; returns when all are there. ``device`` becomes this process's current one.

    Args:
        rank, world: this rank, of how many.
        port: where rank 0 listens, on this machine.
        listener: its listening socket (rank 0 alone).
        device: of this rank.
    """
    from torch import distributed

    if sys.platform == "linux":
        # All ranks are on one machine: no name of it has to be looked up.
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    on_gpu = torch.device(device).type == "cuda"
    if on_gpu:
        torch.cuda.set_device(torch.device(device))
    else:
        torch.set_num_threads(max(1, torch.get_num_threads() // world))
    with _asking():
        descriptor = None if listener is None else listener.detach()
        store = distributed.TCPStore(  # type: ignore[attr-defined]  # public, but missing in the list of names
            HOST, port, world, descriptor is not None, PATIENCE, master_listen_fd=descriptor
        )
        distributed.init_process_group(
            # Small numbers go through Gloo in any case: they are wanted on the processor.
            "cpu:gloo,cuda:nccl" if on_gpu else "gloo",
            store=store,
            rank=rank,
            world_size=world,
            timeout=PATIENCE,
            device_id=torch.device(device) if on_gpu else None,
        )
    ranks = Ranks(rank, world)
    ranks.gathered(rank)
    return ranks
