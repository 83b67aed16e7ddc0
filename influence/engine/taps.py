"""Taps: read and replace the tensors on the edges of a network while it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from torch import Tensor

from influence.engine.sharing.tapped_graph import tap_graph
from influence.errors import InfluenceError
from influence.mutes.batch_inputs import BatchInputs
from influence.network.joint_network import JointNetwork
from influence.network.programs.program import Program
from influence.network.sites import check_modules, check_samples_first, pool_channels, tapped
from influence.statistics.rows import is_place, place_name

__all__ = ["Tapped", "tap_network"]

Tensors = dict[str, Tensor]
Tapped = Callable[[Mapping[str, Tensor | None], Mapping[str, Tensor]], tuple[Tensors, Tensors]]
"""A function of inputs and replaced points; returns outputs (with places) and clean points."""


def tap_network(
    network: JointNetwork, signals: BatchInputs, edges: Mapping[str, str], meeting: str
) -> Tapped:
    """Return a function that runs a network, and reads and replaces the tensors on its edges.

    Modules are tapped by forward hooks, exported programs in their graphs.

    Parameters
    ----------
    network
        In evaluation mode, on its device.
    signals
        Samples of the shapes to run; their values do not matter.
    edges
        Site -> module path.
    meeting
        Where features are kept: see `influence.engine.sharing.tapped_graph.find_places`. For a
        module without a graph it is unknown where modalities meet; ``auto`` then selects its
        edges.

    Raises
    ------
    InfluenceError
        If a module path does not exist.

    Examples
    --------
    >>> import numpy as np, torch
    >>> net = JointNetwork(torch.nn.Sequential(torch.nn.Identity()), inputs=["x"], outputs=["y"])
    >>> signals = BatchInputs({"x": torch.ones(2, 1)}, np.arange(2), {}, {})
    >>> run = tap_network(net, signals, {"edge:0": "0"}, "off")
    >>> outputs, seen = run(signals.clean, {"edge:0": torch.zeros(2, 1)})
    >>> outputs["y"].tolist(), list(seen)
    ([[0.0], [0.0]], ['edge:0'])
    """
    named = meeting not in ("auto", "off")
    if not isinstance(network.module, Program):
        if not edges and not named:
            return lambda inputs, _: (network(inputs), {})
        paths = {**edges, **({place_name(meeting): meeting} if named else {})}
        check_modules(network, list(paths.values()))
        return partial(_hooked, network, paths, meeting == "auto")
    if not edges and meeting == "off":
        return lambda inputs, _: (network(inputs), {})
    try:
        graph = tap_graph(network, signals.head(2), edges, meeting)
    except InfluenceError:
        if edges or named:
            raise
        return lambda inputs, _: (network(inputs), {})
    return partial(graph.run, network)


def _hooked(
    network: JointNetwork,
    paths: Mapping[str, str],
    edges_are_places: bool,
    inputs: Mapping[str, Tensor | None],
    replaced: Mapping[str, Tensor],
) -> tuple[Tensors, Tensors]:
    with tapped(network.module, paths, replaced) as seen:
        outputs = network(inputs)
    samples = network.layout.count(inputs)
    for point, values in seen.items():
        if is_place(point):
            check_samples_first(point, values, samples)
            outputs[point] = pool_channels(values)
        elif edges_are_places and values.ndim and len(values) == samples:
            outputs[place_name(point)] = pool_channels(values)
    return outputs, {point: values for point, values in seen.items() if not is_place(point)}
