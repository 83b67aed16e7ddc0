"""Losses: what an output loses, as a number that gradients can follow.

They are the metrics that are means over places: cross entropy for labels, squared error for values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from influence.data.dataset import DataFacts, Field
from influence.errors import InfluenceError
from influence.metrics.metric import Prediction
from influence.metrics.registry import METRICS, match_metrics
from influence.network.joint_network import JointNetwork, Output

__all__ = ["Losses", "choose_loss"]

COLUMNS = {"cross_entropy": (0, 1), "rms": (5, 0), "mse": (1, 0)}
"""Where the rows of a metric's statistic hold the sum over places, and the number of places."""


def choose_loss(output: Output, target: Field) -> str:
    """Name the metric of whose statistic the loss of an output is made.

    Depth that is not positive is no ground truth, which `rms` knows and `mse` does not.

    >>> choose_loss(Output("y", "logits"), Field((), integer=True))
    'cross_entropy'
    """
    if output.kind == "depth":
        return "rms"
    return "cross_entropy" if target.integer and target.scale is None else "mse"


@dataclass(frozen=True)
class Losses:
    """The losses of a network's outputs for which there is ground truth.

    Parameters
    ----------
    outputs, fields, names
        For each scored output its facts, those of its ground truth, and the metric it is made of.
    """

    outputs: Mapping[str, Output]
    fields: Mapping[str, Field]
    names: Mapping[str, str]

    @classmethod
    def of(cls, network: JointNetwork, data: DataFacts) -> Losses:
        """Choose the loss of each output for which a data set holds ground truth.

        Raises
        ------
        InfluenceError
            If there is none, or network and data do not fit together.
        """
        outputs = {o.name: o for o in network.outputs if o.name in data.targets}
        if not outputs:
            raise InfluenceError(
                f"network {network.name!r} predicts {[o.name for o in network.outputs]}, but "
                f"{data.source} holds ground truth for {sorted(data.targets)}. Rename one or the "
                "other"
            )
        names = {name: choose_loss(o, data.targets[name]) for name, o in outputs.items()}
        match_metrics(network, data, {name: [metric] for name, metric in names.items()})
        return cls(outputs, {name: data.targets[name] for name in outputs}, names)

    def __call__(
        self, predicted: Mapping[str, Tensor], targets: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Return for each output the sum of its loss over places and their number, float64 (2,)."""
        found = {}
        for name, metric in self.names.items():
            values = predicted[name]
            prediction = Prediction(
                values if values.is_floating_point() else values.double(),
                targets[name],
                self.outputs[name],
                self.fields[name],
            )
            rows = METRICS[metric].statistic.update(prediction)
            found[name] = rows[:, list(COLUMNS[metric])].sum(0)
        return found
