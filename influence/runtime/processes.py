"""Processes: the ranks of a measurement started by torchrun, and their communication."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from torch import distributed

from influence.errors import InfluenceError

if TYPE_CHECKING:
    from torch.distributed.distributed_c10d import Store

__all__ = ["Json", "Processes", "join_processes", "process_device"]

Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None
"""A value that one process can send to all processes."""

T = TypeVar("T")

ENVIRONMENT = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
"""The environment variables that torchrun sets for each process."""

JOIN = timedelta(minutes=10)
"""The time that processes wait for each other when the job starts."""

WAIT = timedelta(days=1)
"""The time that processes wait for each other later. If one fails, torchrun ends all of them."""

PATIENCE = timedelta(seconds=3)
"""The time that a process waits before it reports an error that another process may have caused.

If another process has failed, torchrun ends this one in the meantime, and only the cause is shown.
"""


@dataclass(frozen=True)
class Processes:
    """One of the processes that share a measurement; by default the only one.

    All processes must call the methods that communicate in the same order. With a single process
    these methods return at once.

    Parameters
    ----------
    rank, count
        The rank of this process, from 0, and the number of processes.
    local_rank
        The rank of this process among those on its machine, which selects its GPU.
    restarted
        Whether torchrun has restarted the job after a failure, with the same arguments. Finished
        batches are then kept, as in a resumed run.

    Examples
    --------
    >>> Processes().share("abcd")
    ['a', 'b', 'c', 'd']
    >>> Processes(rank=1, count=3).share("abcd")
    ['b']
    """

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    restarted: bool = False

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and messages, the one of rank 0."""
        return self.rank == 0

    def share(self, items: Sequence[T]) -> list[T]:
        """Return the items of this process: item i belongs to the rank i modulo `count`."""
        return list(items[self.rank :: self.count])

    def any(self, flag: bool) -> bool:
        """Return in all processes whether the flag is set in any of them."""
        if self.count == 1:
            return flag
        with self._contact():
            found = torch.tensor([flag], dtype=torch.uint8, device=_device())
            distributed.all_reduce(found, distributed.ReduceOp.MAX)
            return bool(found.item())

    def barrier(self) -> None:
        """Wait until all processes have called this method."""
        self.any(False)  # distributed.barrier guesses the GPU of a group that the caller has made

    def broadcast(self, value: Json) -> Json:
        """Return in all processes the value given by the first process."""
        if self.count == 1:
            return value
        # Sent as text, because collectives for objects use pickle.
        found: Json = json.loads(self.gather(json.dumps(value if self.first else None).encode())[0])
        return found

    def gather(self, payload: bytes) -> list[bytes]:
        """Return in all processes the bytes of each, ordered by rank; their lengths may differ."""
        if self.count == 1:
            return [payload]
        with self._contact():
            mine = torch.tensor(np.frombuffer(payload, np.uint8), device=_device())
            lengths = torch.zeros(self.count, dtype=torch.int64, device=_device())
            lengths[self.rank] = len(mine)
            distributed.all_reduce(lengths)
            padded = mine.new_zeros(int(lengths.max().item()))
            padded[: len(mine)] = mine
            found = [torch.empty_like(padded) for _ in range(self.count)]
            distributed.all_gather(found, padded)
            pairs = zip(found, lengths.tolist(), strict=True)
            return [letters[:length].cpu().numpy().tobytes() for letters, length in pairs]

    @contextmanager
    def _contact(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            time.sleep(PATIENCE.total_seconds())
            raise InfluenceError(
                f"process {self.rank} of {self.count} lost contact with the other processes; if "
                f"one of them failed, its message gives the cause ({str(error).splitlines()[0]})"
            ) from error


@contextmanager
def join_processes(device: str) -> Iterator[Processes]:
    """Connect the processes that torchrun started, and disconnect them at the end.

    Without torchrun there is a single process. A process group that the caller has initialised is
    used and left unchanged. Otherwise a group is created, with the backend NCCL on CUDA and gloo on
    other devices. At the end all processes wait for each other, except one that fails, so that
    torchrun ends the job.

    Parameters
    ----------
    device
        The device on which the networks will run, as the user gives it: auto, cpu, cuda, ...

    Yields
    ------
    Processes
        This process, connected to all others.

    Raises
    ------
    InfluenceError
        If torchrun's variables are invalid, a process has no GPU, or a process cannot be reached.

    Examples
    --------
    >>> with join_processes("cpu") as processes:
    ...     processes.count
    1
    """
    restarted = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") != "0"
    if distributed.is_available() and distributed.is_initialized():
        rank, count = distributed.get_rank(), distributed.get_world_size()
        yield Processes(rank, count, distributed.get_node_local_rank(rank), restarted)
        return
    processes = replace(_from_environment(), restarted=restarted)
    if processes.count == 1:
        yield processes
        return
    _connect(processes, process_device(device, processes))
    # With several machines, torchrun counts a restart only on the one where a process failed.
    processes = replace(processes, restarted=processes.any(restarted))
    try:
        yield processes
    except InfluenceError:
        if not processes.first:
            time.sleep(PATIENCE.total_seconds())  # the first one may fail likewise
        raise
    # Not in a `finally`: a failed process would wait here for all others, and they for it.
    processes.barrier()
    distributed.destroy_process_group()


def process_device(device: str, processes: Processes) -> str:
    """Return the device of a process: with CUDA, a GPU that no other process uses.

    A device with an index, such as ``cuda:1``, is returned unchanged.

    Raises
    ------
    InfluenceError
        If there are more processes on this machine than GPUs.

    Examples
    --------
    >>> process_device("cpu", Processes(rank=1, count=2, local_rank=1))
    'cpu'
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if processes.count == 1 or not gpus or device not in ("auto", "cuda"):
        return device
    if processes.local_rank >= gpus:
        raise InfluenceError(
            f"expected a GPU for each process of this machine, got {gpus} for process number "
            f"{processes.local_rank + 1}. Start no more processes than GPUs, or give device='cpu'"
        )
    return f"cuda:{processes.local_rank}"


def _from_environment() -> Processes:
    """Read the process from the environment variables of torchrun."""
    given = {name: os.environ.get(name, "") for name in ENVIRONMENT}
    rank, count, local_rank = (given[name] for name in ENVIRONMENT[:3])
    if count in ("", "1") and rank in ("", "0"):
        return Processes()
    numbers = all(text.isdecimal() for text in (rank, count, local_rank))
    if not all(given.values()) or not numbers or int(rank) >= int(count):
        shown = ", ".join(f"{name}={text}" for name, text in given.items())
        raise InfluenceError(
            "expected the environment of one of several processes, as torchrun sets it, got "
            f"{shown}. Start by torchrun, or unset RANK and WORLD_SIZE to measure in one process"
        )
    return Processes(int(rank), int(count), int(local_rank))


def _connect(processes: Processes, device: str) -> None:
    # Imported here because a PyTorch built without distributed lacks these modules. PyTorch may
    # import the first one at any time, and its functions then keep the current group as a default.
    # It is therefore imported before a group exists: the thread of a group that is kept aborts the
    # process when Python exits (pytorch pull request 179291).
    import torch.distributed.nn.functional
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    gpu = torch.device(device) if device.startswith("cuda") else None
    if gpu:
        torch.cuda.set_device(gpu)
    try:
        # Without a store, init_process_group would wait for a missing process as long as for one
        # that computes.
        store, rank, count = next(rendezvous("env://", timeout=JOIN))
        distributed.init_process_group(
            "nccl" if gpu else "gloo",
            store=PrefixStore(_fresh_name(store, rank, count), store),
            rank=rank,
            world_size=count,
            timeout=WAIT,
            device_id=gpu,
        )
    except (RuntimeError, ValueError, TimeoutError) as error:
        address = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        raise InfluenceError(
            f"process {processes.rank} of {processes.count} expected to reach the others through "
            f"MASTER_ADDR and MASTER_PORT, {address}, got: {str(error).splitlines()[0]}. Start all "
            "processes of the job, and check that this address can be reached"
        ) from error


def _fresh_name(store: Store, rank: int, count: int) -> str:
    """Agree on a prefix of keys in the store that no earlier group has used.

    Torchrun's store outlives a failed group, whose addresses would be mistaken for the new ones
    (pytorch issue 135712), and its count of restarts differs between machines. Therefore the first
    process draws a random name. The name that another process reads may be outdated: it answers
    with a random name, and accepts the name that it read if the first process confirms the answer.
    """
    mine = uuid.uuid4().hex
    if rank == 0:
        store.set("influence", mine)
        for other in range(1, count):
            answer = store.get(f"{mine}/{other}").decode()  # waits
            store.set(f"{mine}/{answer}", "seen")
        return mine
    end = time.monotonic() + JOIN.total_seconds()
    while time.monotonic() < end:
        name: str = store.get("influence").decode()
        store.set(f"{name}/{rank}", mine)
        if store.check([f"{name}/{mine}"]):
            return name
        time.sleep(0.01)
    raise TimeoutError(f"the first process did not answer within {JOIN}")


def _device() -> torch.device:
    """Return the device to which tensors are moved for communication."""
    if "cpu" in distributed.get_backend_config():  # such as cpu:gloo,cuda:nccl
        return torch.device("cpu")
    return torch.device("cuda", torch.cuda.current_device())
