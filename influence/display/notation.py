"""How results are shown: the label, factor, digits and unit of a metric; names of runs and columns.

The files hold natural units (mean IoU in 0..1, metres). Tables and plots show a mean IoU in per
cent and the influence on `sqr_rel` a hundredfold, as Sec. IV of arXiv 1702.08009 does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log10
from typing import Any

import pandas as pd

__all__ = [
    "Display",
    "class_name",
    "direction_heading",
    "display_of",
    "gain_heading",
    "gains",
    "omega_label",
    "omega_unit",
    "run_columns",
    "run_names",
    "value_heading",
    "value_unit",
]


@dataclass(frozen=True)
class Display:
    """How one metric is shown.

    Parameters
    ----------
    label
        What readers call the metric.
    definition
        Its formula in one line, for captions.
    factor
        What a performance is multiplied by in a table.
    gain
        What an omega is multiplied by, and the performance that is drawn beside it.
    digits
        Decimals of a performance in a table.
    unit
        The unit after multiplication by `factor`; empty if the unit of the file remains.
    """

    label: str
    definition: str = ""
    factor: float = 1.0
    gain: float = 1.0
    digits: int = 4
    unit: str = ""

    @property
    def gain_digits(self) -> int:
        """Decimals of an omega: the same resolution as that of a performance."""
        return self.digits - round(log10(self.gain / self.factor))

    def gain_unit(self, unit: str = "") -> str:
        """Name the unit of an omega that was multiplied by `gain`.

        >>> display_of("mean_iou").gain_unit(), display_of("sqr_rel").gain_unit("m")
        ('percentage points', '100·rel(sqr)')
        """
        if self.gain != self.factor:
            return f"{self.gain:g}·{self.label}"
        return "percentage points" if self.unit == "%" else self.unit or unit


def display_of(metric: str) -> Display:
    """Return how a metric is shown; an unknown metric is shown under its name, unscaled.

    Examples
    --------
    >>> display_of("mean_iou").factor, display_of("loudness")
    (100.0, Display(label='loudness', definition='', factor=1.0, gain=1.0, digits=4, unit=''))
    """
    return DISPLAYS.get(metric, Display(metric))


def gains(metrics: pd.Series) -> pd.Series:
    """Return what the omegas of metrics are multiplied by before they are shown.

    >>> gains(pd.Series(["mean_iou", "rms"])).tolist()
    [100.0, 1.0]
    """
    return metrics.map(lambda metric: display_of(metric).gain)


def gain_heading(row: Any) -> str:
    """Name the oriented performance of which the omega of a row is a difference, and the level.

    `row` has the attributes metric, higher_is_better, unit and level, as a row of `influence.csv`.

    >>> from types import SimpleNamespace
    >>> error = {"unit": "m", "higher_is_better": False, "level": "all"}
    >>> gain_heading(SimpleNamespace(metric="sqr_rel", **error))
    '−100·rel(sqr)'
    >>> gain_heading(SimpleNamespace(metric="rms", **error))
    '−rms, m'
    """
    display = display_of(row.metric)
    scaled = display.gain != display.factor
    heading = f"{display.gain:g}·{display.label}" if scaled else _label(row)
    return f"{'' if row.higher_is_better else '−'}{heading}{_level(row)}"


def value_heading(row: Any) -> str:
    """Name the performance of a row, and the level; the arrow points to the better side.

    >>> from types import SimpleNamespace
    >>> error = {"unit": "m", "higher_is_better": False, "level": "all"}
    >>> value_heading(SimpleNamespace(metric="rms", **error))
    'rms, m ↓'
    """
    return f"{_label(row)} {'↑' if row.higher_is_better else '↓'}{_level(row)}"


def direction_heading(row: Any) -> str:
    """Name the source, the target and the oriented performance of a row of `influence.csv`.

    >>> from types import SimpleNamespace
    >>> row = SimpleNamespace(source="depth", target="semantic", metric="mean_iou", unit="",
    ...                       higher_is_better=True, level="class:floor")
    >>> direction_heading(row)
    'depth → semantic: mean IoU, %, floor'
    """
    return f"{row.source} → {row.target}: {gain_heading(row)}"


def value_unit(row: Any) -> str:
    """Name the unit in which the performance of a row is shown; empty if there is none."""
    return display_of(row.metric).unit or ("" if pd.isna(row.unit) else str(row.unit))


def omega_unit(row: Any) -> str:
    """Name the unit in which the omega of a row is shown."""
    return display_of(row.metric).gain_unit(value_unit(row))


def omega_label(row: Any, *, level: bool = False) -> str:
    """Name the omega of a row and its unit, for an axis; with `level`, also the level.

    >>> from types import SimpleNamespace
    >>> row = SimpleNamespace(source="depth", target="semantic", metric="mean_iou", unit="")
    >>> omega_label(row)
    'ω(depth → semantic), percentage points'
    """
    omega = f"ω({row.source} → {row.target}){_level(row) if level else ''}"
    return ", ".join(filter(None, [omega, omega_unit(row)]))


def class_name(level: str) -> str:
    """Return a level as it is shown: a class by its name alone."""
    return level.removeprefix("class:")


def run_names(frame: pd.DataFrame, before_dataset: str = "\n") -> pd.Series:
    """Name rows by network, and by seed and data set if the network has several of them.

    >>> frame = pd.DataFrame({"network": ["a", "a", "b"], "seed": [0, 1, 0], "dataset": "d"})
    >>> run_names(frame).tolist()
    ['a #0', 'a #1', 'b']
    """
    names, by_network = frame["network"], frame.groupby("network", dropna=False)
    with_seed = names + " #" + frame["seed"].astype("Int64").astype(str)
    names = names.where(by_network["seed"].transform("nunique") < 2, with_seed)
    with_dataset = names + before_dataset + frame["dataset"]
    return names.where(by_network["dataset"].transform("nunique") < 2, with_dataset)


def run_columns(frame: pd.DataFrame) -> tuple[str, ...]:
    """Return the columns that name a run: network, and data set and seed if there are several."""
    datasets = ("dataset",) if frame["dataset"].nunique(dropna=False) > 1 else ()
    several = frame.groupby(["network", "dataset"], dropna=False)["seed"].nunique(dropna=False)
    return ("network", *datasets, *(("seed",) if (several > 1).any() else ()))


def _label(row: Any) -> str:
    return ", ".join(filter(None, [display_of(row.metric).label, value_unit(row)]))


def _level(row: Any) -> str:
    return "" if row.level == "all" else f", {class_name(row.level)}"


def _percent(label: str, definition: str) -> Display:
    return Display(label, definition, factor=100.0, gain=100.0, digits=2, unit="%")


DISPLAYS: Mapping[str, Display] = {
    "mean_iou": _percent("mean IoU", "intersection over union, mean over the classes"),
    "pixel_accuracy": _percent("pixel accuracy", "share of labelled pixels that are right"),
    "pixel_accuracy_without_other": _percent(
        "pixel accuracy without other",
        "share of the pixels of other classes than 'other' that are right",
    ),
    "class_accuracy": _percent("class accuracy", "recall, mean over the classes"),
    "accuracy": _percent("accuracy", "share of samples that are right"),
    "abs_rel": Display("rel", "mean of |d − d*| / d*"),
    "sqr_rel": Display("rel(sqr)", "mean of (d − d*)² / d*", gain=100.0),
    "sqr_rel_normalised": Display("rel(sqr), normalised", "mean of (d − d*)² / d*²", gain=100.0),
    "log10": Display("log10", "mean of |log10 d − log10 d*|"),
    "rms": Display("rms", "root of the mean of (d − d*)²"),
    "depth_rms": Display("rms, depth", "root of the mean of (d − d*)² where d* > 0"),
    "psnr": Display("PSNR", "10 log10(peak² / mean squared error), of all pictures", digits=2),
    "psnr_mean": Display(
        "PSNR, mean", "10 log10(peak² / mean squared error), mean over pictures", digits=2
    ),
    "label_accuracy": _percent("label accuracy", "share of labels that are right, mean over them"),
    "label_f1": _percent("label F1", "2 TP / (2 TP + FP + FN), mean over the labels"),
    "binary_cross_entropy": Display("binary cross entropy", "mean of −t ln p − (1 − t) ln(1 − p)"),
    "rms_log": Display("rms(log)", "root of the mean of (ln d − ln d*)²"),
    "delta_1": Display("δ < 1.25", "share of pixels with max(d/d*, d*/d) < 1.25"),
    "delta_2": Display("δ < 1.25²", "share of pixels with max(d/d*, d*/d) < 1.25²"),
    "delta_3": Display("δ < 1.25³", "share of pixels with max(d/d*, d*/d) < 1.25³"),
    "kl_divergence": Display("KL", "mean divergence of the muted from the full probabilities"),
    "changed_labels": _percent("changed labels", "share of labels that differ, muted from full"),
    "changed_foreground": _percent(
        "changed foreground", "share of labels that differ where one is not the background"
    ),
    "relative_change": Display("relative change", "mean of |d muted − d full| / d full"),
    "absolute_change": Display("absolute change", "mean of |muted − full|"),
    "si_log": Display("si(log)", "root of the mean of the variance of ln d − ln d* in a sample"),
}
