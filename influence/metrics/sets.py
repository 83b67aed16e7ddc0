"""Sets of metrics: those that a publication prints, under one name.

They are names only, so that tables can be made of them without torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

__all__ = ["SETS", "MetricSet", "Part", "spell_out"]

Part = Literal["labels", "values"]


W = TypeVar("W")


@dataclass(frozen=True)
class MetricSet:
    """The metrics of a publication, each with the name printed there, in printed order.

    Parameters
    ----------
    source
        The publication.
    labels, values
        Metrics of label maps, and of depth maps: metric -> printed name, empty for a metric that
        is not printed.
    """

    source: str
    labels: Mapping[str, str]
    values: Mapping[str, str]

    def names(self, part: Part | None = None) -> list[str]:
        """List the metrics for labels or for values, by default both."""
        parts = {"labels": self.labels, "values": self.values}
        return [name for key, names in parts.items() if part in (None, key) for name in names]


SETS: Mapping[str, MetricSet] = {
    "hybridnet": MetricSet(
        "HybridNet (Sánchez-Escobedo, Lin, Casas, Pardàs), Tables 1 and 2",
        labels={"pixel_accuracy": "G", "class_accuracy": "C", "mean_iou": "IoUclass"},
        values={
            "delta_1": "gamma<1.25",
            "delta_2": "gamma<1.25^2",
            "delta_3": "gamma<1.25^3",
            "abs_rel": "ARD",
            "sqr_rel": "SRD",
            "rms": "RMSE-linear",
            "rms_log": "RMSE-log",
            # Our reading: the root of the scale-invariant error D of Eigen et al. (2014), Eqn 1.
            # Over pooled pixels D is at most the square of RMSE-log, and the printed value is more.
            # Means over images could exceed it: DepthNet's code has D, of logs times 1.79581.
            "si_log": "SIE",
        },
    ),
    "arora": MetricSet(
        "Arora, Patil, Nguyen, whose accuracy counts the class 'other'",
        labels={"pixel_accuracy": "validation accuracy", "pixel_accuracy_without_other": ""},
        values={},
    ),
}
"""The sets by name; a set's name stands for all of its metrics."""


def spell_out(wanted: Iterable[W], part: Part | None = None) -> list[W | str]:
    """Replace the names of sets by those of their metrics, except metrics that are named anyway.

    Parameters
    ----------
    wanted
        Names of metrics and of sets; anything else is passed on.
    part
        Take only the metrics of labels or of values; `None` for both.

    Examples
    --------
    >>> spell_out(["rms", "hybridnet", "arora"], "labels")[1:]
    ['pixel_accuracy', 'class_accuracy', 'mean_iou', 'pixel_accuracy_without_other']
    """
    asked = list(wanted)
    named: set[str] = {metric for metric in asked if isinstance(metric, str)}
    found: list[W | str] = []
    for metric in asked:
        if isinstance(metric, str) and metric in SETS:
            found += [name for name in SETS[metric].names(part) if name not in named]
            named.update(SETS[metric].names(part))
        else:
            found.append(metric)
    return found
