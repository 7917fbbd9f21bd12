"""Where this process stands among the training processes that torchrun started."""

import gc
import os
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory

import torch
from torch import distributed, nn

from dinoflow_deploy.errors import DeviceError


@dataclass(frozen=True, slots=True)
class Process:
    """One of the processes of a run.

    Attributes:
        rank: From 0; rank 0 writes files.
        world_size: How many there are.
        device: Where this one computes.
    """

    rank: int
    world_size: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and shows progress."""
        return self.rank == 0


def launched_by_torchrun() -> bool:
    """Whether torchrun started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


@contextmanager
def process_group(device: str) -> Iterator[Process]:
    """Join the other processes, if torchrun started this one; leave them at the end.

    Args:
        device: ``auto``, ``cpu`` or ``cuda``. NCCL joins GPUs, gloo joins CPUs.

    Raises:
        DeviceError: CUDA was asked for and cannot be had, or there are fewer GPUs than processes.
    """
    chosen = choose_device(device)
    if not launched_by_torchrun():
        yield Process(0, 1, chosen)
        return
    if chosen.type == "cuda":
        chosen = _own_gpu(int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(chosen)
    distributed.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield Process(distributed.get_rank(), distributed.get_world_size(), chosen)
        distributed.barrier()
    finally:
        distributed.destroy_process_group()
        # The threads of gloo end with the last reference to the group, which a cycle within DDP may hold. One
        # that still gives back a tensor while Python itself ends would abort the process.
        gc.collect()


def gather_objects(value: object) -> list[object]:
    """Every process's value, in rank order, on every process."""
    if not distributed.is_initialized():
        return [value]
    gathered: list[object] = [None] * distributed.get_world_size()
    distributed.all_gather_object(gathered, value)
    return gathered


def share_buffers(module: nn.Module) -> None:
    """Give every process rank 0's buffers, such as BatchNorm's statistics.

    DDP does so before a forward pass only; after it each process has statistics of its own share.
    """
    if distributed.is_initialized():
        for buffer in module.buffers():
            distributed.broadcast(buffer, src=0)


def _own_gpu(local_rank: int) -> torch.device:
    found = torch.cuda.device_count()
    if local_rank >= found:
        raise DeviceError(
            f"process {local_rank} of this machine finds {found} CUDA device(s): each process needs its "
            f"own, so pass --nproc {found}, or --device cpu"
        )
    return torch.device("cuda", local_rank)


def choose_device(device: str) -> torch.device:
    """The device that ``auto``, ``cpu`` or ``cuda`` stands for.

    Raises:
        DeviceError: CUDA was asked for and cannot be had, or it is none of these.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device == "cuda" and not torch.cuda.is_available():
        raise DeviceError(
            "--device cuda: torch finds no CUDA device here; install a CUDA build of torch and a driver, "
            "or pass --device cpu"
        )
    if device not in ("cpu", "cuda"):
        raise DeviceError(f"--device {device}: choose auto, cpu or cuda")
    return torch.device(device)


def launch(processes: int) -> int:
    """Run this command again in several processes on this machine, as torchrun does; gives its exit code."""
    from torch.distributed.elastic.multiprocessing.api import DefaultLogsSpecs
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    # Processes that each compute on every core wait for one another: ten times slower on two cores.
    threads = max(1, len(os.sched_getaffinity(0)) // processes)
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    # By default torchrun leaves its folder behind.
    with TemporaryDirectory(prefix="torchelastic_") as folder:
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=processes,
            run_id=str(uuid.uuid4()),
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            max_restarts=0,
            logs_specs=DefaultLogsSpecs(log_dir=folder),
        )
        return _exit_code(elastic_launch(config, sys.executable))


def _exit_code(launched: Callable[..., object]) -> int:
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    try:
        launched("-m", "dinoflow_deploy", *sys.argv[1:])
    except ChildFailedError:
        # The process that failed has said why.
        return 1
    except SignalException as stopped:
        return 128 + stopped.sigval
    return 0
