"""Values: what a node computes under a condition, and from where it can be taken instead.

It depends only on the mutes of the inputs that the node depends on. Where all of them are muted by
constants, there is one value for the whole data set, computed on a single sample; and where all of
them show the input of the sample that follows, it is the clean value of that sample.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from torch import fx

from influence.rows import Condition
from influence.sharing.dependence import Dependence
from influence.sharing.observation import Observation

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
        muted = self.dependence.inputs[node] & condition.setup
        return Value(node, frozenset((site, condition.mute) for site in muted))

    def arguments(self, value: Value) -> list[Value]:
        """List the values of which a value is computed."""
        # A size depends on no input, so that its argument is the clean value, always at hand.
        return [self.restricted(arg, value.muted) for arg in value.node.all_input_nodes]

    def restricted(self, node: fx.Node, muted: Key) -> Value:
        """Return the value of a node, of whose inputs those in `muted` are replaced."""
        inputs = self.dependence.inputs[node]
        return Value(node, frozenset(pair for pair in muted if pair[0] in inputs))

    def fixed(self, value: Value) -> bool:
        """Say whether a value is computed once, on one sample, and expanded to the batch."""
        node, muted = value
        inputs = self.dependence.inputs[node]
        if node.op == "get_attr" or node not in self.observed.shapes[0]:
            return False
        if not inputs:
            return node not in self.dependence.sized
        covered = {site for site, mute in muted if mute in self.constant} == inputs
        return covered and self.axes(node) is not None

    def axis(self, value: Value) -> int | None:
        """Return the axis of samples of a value that is the clean one of the next sample."""
        node, muted = value
        inputs = self.dependence.inputs[node]
        if not inputs or {site for site, mute in muted if mute in self.following} != inputs:
            return None
        axes = self.axes(node)
        return axes[0] if axes and len(axes) == 1 else None

    def origin(self, value: Value) -> Value:
        """Return the clean value of which that of the next sample is taken, or the value itself."""
        return value if self.axis(value) is None else Value(value.node, CLEAN)

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
