"""Processes: the ranks of a measurement that torchrun started, and what they exchange."""

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
"""A value that one process can send to the others."""

T = TypeVar("T")

ENVIRONMENT = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
"""The variables that torchrun sets for each process."""

JOIN = timedelta(minutes=10)
"""How long the processes wait for each other when the job starts."""

WAIT = timedelta(days=1)
"""How long they wait later, while others compute. Torchrun ends all if one fails."""

PATIENCE = timedelta(seconds=3)
"""How long a process waits before it reports an error that another one may have caused.

Torchrun ends it meanwhile if the other has failed, so that only the cause is reported.
"""


@dataclass(frozen=True)
class Processes:
    """One of the processes that share a measurement; by default the only one.

    All processes have to call the methods that communicate in the same order. In a single process
    these return at once.

    Parameters
    ----------
    rank, count
        The number of this process, from 0, and the number of processes.
    local_rank
        The number of this process on its machine, and so of its GPU.
    restarted
        Whether torchrun has restarted the job after a failure. It uses the same arguments, so what
        is finished is to be kept as in a resumed run.

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
        """Whether this is the process that writes files and messages."""
        return self.rank == 0

    def share(self, items: Sequence[T]) -> list[T]:
        """Return the items of this process: item i belongs to process i modulo `count`."""
        return list(items[self.rank :: self.count])

    def any(self, flag: bool) -> bool:
        """Return whether the flag is set in any process."""
        if self.count == 1:
            return flag
        with self._contact():
            found = torch.tensor([flag], dtype=torch.uint8, device=_device())
            distributed.all_reduce(found, distributed.ReduceOp.MAX)
            return bool(found.item())

    def barrier(self) -> None:
        """Wait until all processes have called this."""
        self.any(False)  # distributed.barrier guesses the GPU of a group that the caller has made

    def broadcast(self, value: Json) -> Json:
        """Return the value of the first process; those of the others are ignored."""
        if self.count == 1:
            return value
        # As text: the collectives for objects pickle.
        found: Json = json.loads(self.gather(json.dumps(value if self.first else None).encode())[0])
        return found

    def gather(self, payload: bytes) -> list[bytes]:
        """Return the bytes of all processes, by rank, in each of them; lengths may differ."""
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
                f"process {self.rank} of {self.count} lost contact to the others; if one of them "
                f"failed, its own message says why ({str(error).splitlines()[0]})"
            ) from error


@contextmanager
def join_processes(device: str) -> Iterator[Processes]:
    """Connect the processes that torchrun started, and disconnect them at the end.

    Without torchrun there is a single process. A process group that the caller has initialised is
    used and left as it is. Otherwise a group is made, with the backend NCCL on CUDA and gloo
    elsewhere. At the end all processes wait for each other; one that fails does not wait, so that
    torchrun ends the job.

    Parameters
    ----------
    device
        Where the networks will run, as the user gives it: auto, cpu, cuda, ...

    Yields
    ------
    Processes
        This process among the others.

    Raises
    ------
    InfluenceError
        If the environment is not torchrun's, a process has no GPU, or the others are not found.

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
    # On several machines, torchrun counts a restart only where a process failed.
    processes = replace(processes, restarted=processes.any(restarted))
    try:
        yield processes
    except InfluenceError:
        if not processes.first:
            time.sleep(PATIENCE.total_seconds())  # the first one may fail likewise
        raise
    # Not in a `finally`: a process that failed would wait here for the others, and they for it.
    processes.barrier()
    distributed.destroy_process_group()


def process_device(device: str, processes: Processes) -> str:
    """Return the device of one process: with CUDA, a GPU that no other process uses.

    A device with a number, such as ``cuda:1``, is returned as it is.

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
    """Read the variables that torchrun sets."""
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
    # Not at the top: a PyTorch that is built without distributed lacks these modules. PyTorch may
    # import the first one at any time, and its functions then keep the present group as a default.
    # So it is imported before there is a group: the thread of a group that is kept aborts the
    # process when Python ends (pytorch pull request 179291).
    import torch.distributed.nn.functional
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    gpu = torch.device(device) if device.startswith("cuda") else None
    if gpu:
        torch.cuda.set_device(gpu)
    try:
        # Without a store, init_process_group would wait for a process that is missing as long as
        # for one that computes.
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

    Torchrun's store outlives a failed group, whose addresses would be taken for the new ones
    (pytorch issue 135712), and its count of restarts differs between machines. So the first process
    draws a name. The name that another process reads may be an old one: it answers with a name of
    its own, and takes the name that it read once the first process has confirmed the answer.
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
    """Return the device on which tensors have to be to be exchanged."""
    if "cpu" in distributed.get_backend_config():  # such as cpu:gloo,cuda:nccl
        return torch.device("cpu")
    return torch.device("cuda", torch.cuda.current_device())
