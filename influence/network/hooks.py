"""Hooks: what flows along the edges of a module, seen and replaced while it runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from influence.errors import InfluenceError, unknown
from influence.network.joint_network import JointNetwork
from influence.network.sites import point_name, site_of

__all__ = [
    "check_fired",
    "check_first",
    "check_modules",
    "pool_channels",
    "tapped",
]


def check_modules(network: JointNetwork, paths: Sequence[str]) -> None:
    """Raise InfluenceError unless a network has modules at these paths."""
    known = dict(network.module.named_modules())
    for path in paths:
        if path not in known or not path:
            raise unknown(f"module of network {network.name!r}", path, [p for p in known if p])


@contextmanager
def tapped(
    module: nn.Module, sites: Mapping[str, str], replaced: Mapping[str, Tensor]
) -> Iterator[dict[str, Tensor]]:
    """See what flows along edges of a module while it runs, and replace it.

    Parameters
    ----------
    module
        The network.
    sites
        The edges: site -> module path.
    replaced
        What takes the place of some points; they are named as by `point_name`.

    Yields
    ------
    dict
        Filled while the module runs: a copy of what each point held, replaced or not.

    Raises
    ------
    InfluenceError
        If an edge never fires, or has more tensors than were replaced.

    Examples
    --------
    >>> import torch
    >>> net = nn.Sequential(nn.Identity(), nn.Flatten())
    >>> with tapped(net, {"edge:0": "0"}, {"edge:0": torch.zeros(1, 2)}) as seen:
    ...     net(torch.ones(1, 2)).tolist(), seen["edge:0"].tolist()
    ([[0.0, 0.0]], [[0.0, 0.0]])
    """
    seen: dict[str, Tensor] = {}
    handles = [
        module.get_submodule(path).register_forward_hook(_Tap(site, replaced, seen))
        for site, path in sites.items()
    ]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()
    for site in sites:
        check_fired(site, seen, replaced)


def check_fired(site: str, seen: Mapping[str, Tensor], replaced: Mapping[str, Tensor]) -> None:
    """Raise InfluenceError unless an edge was there when its network ran."""
    if site not in seen:
        raise InfluenceError(
            f"{site} never fired: its module is in the network, but was not called, or returned no "
            "tensor. Name another module (influence show lists candidates)"
        )
    wanted, found = (
        {point for point in points if site_of(point) == site} for points in (replaced, seen)
    )
    if wanted and wanted != found:
        raise InfluenceError(
            f"{site} fires {len(found)} times when it is muted and {len(wanted)} times when it is "
            "not: the network takes another way. Name another module"
        )


class _Tap:
    """A forward hook that sees and replaces what a module returns."""

    def __init__(self, site: str, replaced: Mapping[str, Tensor], seen: dict[str, Tensor]) -> None:
        self.site, self.replaced, self.seen = site, replaced, seen
        self.count = 0

    def __call__(self, module: nn.Module, args: Any, output: Any) -> Any:
        return tree_map_only(Tensor, self._pass, output)

    def _pass(self, values: Tensor) -> Tensor:
        point = point_name(self.site, self.count)
        self.count += 1
        values = self.replaced.get(point, values)
        self.seen[point] = values.clone()  # what follows may change it in place
        return values


MOST_CHANNELS = 64
"""Of a place with more channels, this many at most are looked at, evenly spread."""


def pool_channels(values: Tensor) -> Tensor:
    """Average the channels of a tensor over all places: (samples, channels).

    Maps have their channels second; of three axes the last holds them, as tokens do.

    >>> import torch
    >>> pool_channels(torch.arange(8.0).reshape(1, 2, 2, 2)).tolist()
    [[1.5, 5.5]]
    """
    if values.ndim == 3:
        values = values.movedim(-1, 1)
    rows = values.reshape(len(values), -1, *values.shape[2:])
    step = -(-rows.shape[1] // MOST_CHANNELS)
    return rows[:, ::step].reshape(len(values), -(-rows.shape[1] // step), -1).float().mean(2)


def check_first(point: str, values: Tensor, samples: int) -> None:
    """Raise InfluenceError unless what a module returned has the samples first."""
    if values.ndim == 0 or len(values) != samples:
        raise InfluenceError(
            f"{point}: holds shape {tuple(values.shape)}, expected {samples} samples first. Name "
            "another module"
        )
