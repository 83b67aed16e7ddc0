"""Sites: the names of what can be muted in a network, and the hooks that reach it.

Four words are kept apart here and in the engine:

- a *site* is what a mute replaces: an input, by its name, or an edge;
- an *edge* is the output of a module inside the network, named by the path of the module, such as
  ``edge:encoder.depth``; it holds every tensor that the module returns, in every call;
- a *point* is one tensor of an edge: the first is named like the edge, ``edge:encoder.depth``, the
  next one ``edge:encoder.depth@1``;
- a *place* is a tensor inside the network at which features are compared. Nothing is replaced
  there. Its name starts with ``at:``, see `influence.statistics.rows`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any

from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from influence.errors import InfluenceError, unknown
from influence.network.joint_network import JointNetwork, Modality

__all__ = [
    "PREFIX",
    "check_fired",
    "check_modules",
    "check_samples_first",
    "edges_of",
    "is_edge",
    "point_name",
    "pool_channels",
    "select_sites",
    "site_of",
    "tapped",
]

PREFIX = "edge:"

MOST_CHANNELS = 64
"""The most channels of a tensor that become features; of more, evenly spaced ones are taken."""


def is_edge(site: str) -> bool:
    """Return whether a site is an edge inside the network, and not an input.

    >>> is_edge("edge:encoder.depth"), is_edge("depth")
    (True, False)
    """
    return site.startswith(PREFIX)


def edges_of(sites: Sequence[str]) -> dict[str, str]:
    """Return the module path of each edge among some sites.

    >>> edges_of(["depth", "edge:encoder.depth"])
    {'edge:encoder.depth': 'encoder.depth'}
    """
    return {site: site.removeprefix(PREFIX) for site in sites if is_edge(site)}


def point_name(site: str, number: int) -> str:
    """Return the name of one tensor of an edge.

    >>> point_name("edge:encoder", 0), point_name("edge:encoder", 1)
    ('edge:encoder', 'edge:encoder@1')
    """
    return f"{site}@{number}" if number else site


def site_of(point: str) -> str:
    """Return the edge to which a point belongs.

    >>> site_of("edge:encoder@1"), site_of("edge:encoder")
    ('edge:encoder', 'edge:encoder')
    """
    return point.rpartition("@")[0] or point


def select_sites(wanted: Sequence[str] | None, inputs: Sequence[str | Modality]) -> list[str]:
    """Return the sites to mute: all sources of a network, or the wanted sites.

    Modalities come in the network's order, then the edges.

    Raises
    ------
    InfluenceError
        If a site is neither a modality nor of the form ``edge:MODULE.PATH``.

    Examples
    --------
    >>> select_sites(["edge:fuse", "semantic"], ["depth", "semantic"])
    ['semantic', 'edge:fuse']
    """
    known = [Modality(x) if isinstance(x, str) else x for x in inputs]
    modalities = [m.name for m in known if m.role == "source"]
    contexts = [m.name for m in known if m.role == "context"]
    if not wanted:
        return modalities
    edges = list(dict.fromkeys(filter(is_edge, wanted)))
    for site in wanted:
        if site in contexts:
            raise InfluenceError(
                f"{site!r} is a context, which is shown as it is and never muted. Name one of "
                f"{', '.join(modalities)}, or declare it as a source: Modality({site!r})"
            )
        if site not in edges and site not in modalities:
            raise unknown("site", site, [*modalities, f"{PREFIX}MODULE.PATH"])
        if "+" in site or "/" in site or site == PREFIX:
            raise InfluenceError(
                f"expected {PREFIX}MODULE.PATH, a path without '+' and '/', got {site!r}"
            )
    return [*(m for m in modalities if m in wanted), *edges]


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
    """Record the tensors of edges while a module runs, and replace some of them.

    Parameters
    ----------
    module
        The network.
    sites
        Edge -> module path.
    replaced
        Point -> the tensor that replaces it.

    Yields
    ------
    dict
        Point -> a copy of its tensor, replaced or not; filled while the module runs.

    Raises
    ------
    InfluenceError
        If the module of an edge is not called, or if an edge has another number of tensors than
        were replaced.

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
        module.get_submodule(path).register_forward_hook(_make_hook(site, replaced, seen))
        for site, path in sites.items()
    ]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()
    for site in sites:
        check_fired(site, seen, replaced)


def _make_hook(
    site: str, replaced: Mapping[str, Tensor], seen: dict[str, Tensor]
) -> Callable[[nn.Module, Any, Any], Any]:
    numbers = count()

    def replace(values: Tensor) -> Tensor:
        point = point_name(site, next(numbers))
        values = replaced.get(point, values)
        seen[point] = values.clone()  # the network may change the tensor in place later
        return values

    return lambda module, args, output: tree_map_only(Tensor, replace, output)


def check_fired(site: str, seen: Mapping[str, Tensor], replaced: Mapping[str, Tensor]) -> None:
    """Raise InfluenceError unless an edge was recorded and replaced as `tapped` promises."""
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
            "not: what the network computes depends on it. Name another module"
        )


def check_samples_first(name: str, values: Tensor, samples: int) -> None:
    """Raise InfluenceError unless the first axis of a point or place holds the samples."""
    if values.ndim == 0 or len(values) != samples:
        raise InfluenceError(
            f"{name}: holds shape {tuple(values.shape)}, expected {samples} samples first. Name "
            "another module"
        )


def pool_channels(values: Tensor) -> Tensor:
    """Return the features of each sample at a place: the mean of each channel over its pixels.

    Parameters
    ----------
    values
        The tensor at the place: (samples, channels, ...), or (samples, tokens, channels).

    Returns
    -------
    Tensor
        (samples, channels), float32, with at most `MOST_CHANNELS` channels.

    Examples
    --------
    >>> import torch
    >>> pool_channels(torch.arange(8.0).reshape(1, 2, 2, 2)).tolist()
    [[1.5, 5.5]]
    """
    if values.ndim == 3:
        values = values.movedim(-1, 1)
    rows = values.reshape(len(values), -1, *values.shape[2:])
    step = -(-rows.shape[1] // MOST_CHANNELS)
    return rows[:, ::step].reshape(len(values), -(-rows.shape[1] // step), -1).float().mean(2)
