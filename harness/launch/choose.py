"""Choosing the launcher."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.accounting.available import VARIABLE
from harness.launch.inline import Inline

if TYPE_CHECKING:
    import torch

    from harness.launch.launcher import Launcher
    from harness.launch.settings import LaunchSettings


def choose_launcher(settings: LaunchSettings, device: torch.device, devices: int = 1) -> Launcher:
    """The launcher that the user wants, to be used as a context.

    Every launcher gives a unit the same number of threads: on a CPU the last bits of a result depend on it.

    Args:
        settings: which launcher, and what a unit gets.
        device: where units run.
        devices: how many devices train one unit together.

    Raises:
        UsageError: what was asked for is not there, or makes no sense on this device.
    """
    import torch

    threads = settings.cpus_per_unit or torch.get_num_threads()
    variables = {} if settings.memory_limit is None else {VARIABLE: str(settings.memory_limit)}
    if settings.launcher == "inline":
        return Inline(threads, variables)
    from harness.accounting.environment import usable_cores
    from harness.core.errors import UsageError
    from harness.launch.on_ray import OnRay
    from harness.launch.ray_cluster import Cluster

    on_gpu = device.type == "cuda"
    if settings.gpus_per_unit is not None and not on_gpu:
        raise UsageError(
            "units run on the CPU: there is no GPU to share",
            place="--gpus-per-unit",
            fix="add --device cuda on a machine with a GPU, or leave --gpus-per-unit out",
        )
    if devices > 1 and settings.gpus_per_unit not in (None, devices):
        raise UsageError(
            f"a unit on {devices} devices takes {devices} whole GPUs",
            place=f"--gpus-per-unit {settings.gpus_per_unit}",
            fix="leave --gpus-per-unit out",
        )
    # A unit keeps one core busy for each of its GPUs; what else its threads do is short.
    cpus = settings.cpus_per_unit or (devices if on_gpu else threads)
    gpus = float(settings.gpus_per_unit or devices) if on_gpu else 0.0
    cluster = Cluster(settings, cpus=cpus, gpus=gpus, cores=usable_cores())
    return OnRay(cluster, threads=threads, cpus=cpus, gpus=gpus, variables=variables)
