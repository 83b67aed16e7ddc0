"""Values: what a node computes under a condition, and from where it can be taken instead.

It depends only on the mutes of the inputs that the node depends on. Where all of them are muted by
constants, there is one value for the whole data set, computed on a single sample; and where all of
them show the input of the sample that follows, it is the clean value of that sample.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from torch import fx

from influence.engine.sharing.aliasing import Observation
from influence.engine.sharing.graph import Dependence
from influence.network.sites import is_edge
from influence.plan.conditions import Condition

__all__ = ["CLEAN", "Key", "Value", "Values"]

Key = frozenset[tuple[str, str]]
CLEAN: Key = frozenset()
"""The key of a value that no mute has touched."""


class Value(NamedTuple):
    """What a node computes when the inputs in `muted` are replaced: pairs (modality, mute)."""

    node: fx.Node
    muted: Key


class Values:
    """The values of one graph.

    Parameters
    ----------
    dependence
        Which inputs the nodes depend on.
    constant
        The names of the mutes that replace every sample by the same.
    following
        The names of those that replace every sample by the one after it.
    observed
        What was seen of the nodes on one and on two samples.
    """

    def __init__(
        self,
        dependence: Dependence,
        *,
        constant: Collection[str],
        following: Collection[str],
        observed: Observation,
    ) -> None:
        self.dependence, self.observed = dependence, observed
        self.constant, self.following = frozenset(constant), frozenset(following)

    def under(self, node: fx.Node, condition: Condition) -> Value:
        """Return the value of a node under a condition."""
        return self.restricted(node, frozenset((site, condition.mute) for site in condition.setup))

    def arguments(self, value: Value) -> list[Value]:
        """List the values of which a value is computed."""
        # A size depends on no input, so that its argument is the clean value, always at hand.
        return [self.restricted(arg, value.muted) for arg in value.node.all_input_nodes]

    def restricted(self, node: fx.Node, muted: Key) -> Value:
        """Return the value of a node, of whose inputs those in `muted` are replaced."""
        inputs = self.dependence.inputs[node]
        key = frozenset(pair for pair in muted if pair[0] in inputs)
        # What an edge is replaced by does not depend on what flows along it.
        return Value(node, _of_edge(node, key) or key)

    def replaced(self, value: Value) -> bool:
        """Say whether a value is what an edge is replaced by."""
        return bool(_of_edge(*value))

    def fixed(self, value: Value) -> bool:
        """Say whether a value is computed once, on one sample, and expanded to the batch."""
        node = value.node
        inputs = self.dependence.inputs[node]
        if node.op == "get_attr" or node not in self.observed.shapes[0]:
            return False
        if not inputs:
            return node not in self.dependence.sized
        return self._covered(value, self.constant) and self.axes(node) is not None

    def axis(self, value: Value) -> int | None:
        """Return the axis of samples of a value that is the clean one of the next sample."""
        if not self._covered(value, self.following):
            return None
        axes = self.axes(value.node)
        return axes[0] if axes and len(axes) == 1 else None

    def origin(self, value: Value) -> Value:
        """Return the clean value of which this one is made when it is taken, or the value itself.

        So are that of the next sample, and what an edge is replaced by.
        """
        made = self.replaced(value) or self.axis(value) is not None
        return Value(value.node, CLEAN) if made else value

    def _covered(self, value: Value, mutes: frozenset[str]) -> bool:
        """Say whether all inputs that a value depends on are muted by some mutes, and no edge."""
        inputs = {site for site in self.dependence.inputs[value.node] if not is_edge(site)}
        muted = {site for site, mute in value.muted if mute in mutes}
        return bool(inputs) and muted == inputs and len(value.muted) == len(inputs)

    def axes(self, node: fx.Node) -> list[int] | None:
        """List the axes that are as long as there are samples; `None` if lengths differ else."""
        if node not in self.observed.shapes[0]:
            return None
        one, two = self.observed.shapes[0][node], self.observed.shapes[1][node]
        axes = [i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b]
        same = len(one) == len(two) and all((one[i], two[i]) == (1, 2) for i in axes)
        return axes if same else None

    def rank(self, node: fx.Node) -> int:
        """Return the number of axes of a node's tensor."""
        return len(self.observed.shapes[0][node])


def _of_edge(node: fx.Node, muted: Key) -> Key:
    """Return the mute of the edge that a node marks, if there is one."""
    site, _ = node.meta.get("edge", ("", ""))
    return frozenset(pair for pair in muted if pair[0] == site)
