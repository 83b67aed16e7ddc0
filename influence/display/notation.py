"""How the numbers of a metric are shown: label, factor, digits, unit.

The files hold natural units (mean IoU in 0..1, metres). Tables and plots show a mean IoU in per
cent and the influence on `sqr_rel` a hundredfold, as Sec. IV of arXiv 1702.08009 does.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log10

__all__ = ["Display", "display_of"]


@dataclass(frozen=True)
class Display:
    """The way in which one metric is shown.

    Parameters
    ----------
    label : what readers call the metric.
    definition : its formula in one line, for captions.
    factor : multiplies a performance in a table.
    gain : multiplies an omega, and the performance that is drawn beside it.
    digits : decimals of a performance in a table.
    unit : unit after multiplication by `factor`; empty where the file's unit holds.
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

    def value_heading(self, *, higher_is_better: bool, unit: str = "") -> str:
        """Name a column of performances; the arrow points to the better side.

        >>> display_of("rms").value_heading(higher_is_better=False, unit="m")
        'rms, m ↓'
        """
        unit = self.unit or unit
        return f"{self.label}{f', {unit}' if unit else ''} {'↑' if higher_is_better else '↓'}"

    def gain_heading(self, *, higher_is_better: bool, unit: str = "") -> str:
        """Name the oriented performance A, of which an omega is a difference.

        >>> display_of("sqr_rel").gain_heading(higher_is_better=False, unit="m")
        '−100·rel(sqr)'
        >>> display_of("mean_iou").gain_heading(higher_is_better=True)
        'mean IoU, %'
        >>> display_of("rms").gain_heading(higher_is_better=False, unit="m")
        '−rms, m'
        """
        sign = "" if higher_is_better else "−"
        if self.gain != self.factor:
            return f"{sign}{self.gain:g}·{self.label}"
        unit = self.unit or unit
        return f"{sign}{self.label}{f', {unit}' if unit else ''}"

    def gain_unit(self, unit: str = "") -> str:
        """Name the unit of an omega that was multiplied by `gain`.

        >>> display_of("mean_iou").gain_unit(), display_of("sqr_rel").gain_unit("m")
        ('percentage points', '100·rel(sqr)')
        """
        if self.gain != self.factor:
            return f"{self.gain:g}·{self.label}"
        return "percentage points" if self.unit == "%" else self.unit or unit


def display_of(metric: str) -> Display:
    """Return how `metric` is shown; an unknown metric is shown as it is.

    Examples
    --------
    >>> display_of("mean_iou").factor, display_of("loudness")
    (100.0, Display(label='loudness', definition='', factor=1.0, gain=1.0, digits=4, unit=''))
    """
    return DISPLAYS.get(metric, Display(metric))


def _percent(label: str, definition: str) -> Display:
    return Display(label, definition, factor=100.0, gain=100.0, digits=2, unit="%")


DISPLAYS = {
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
    "rms_log": Display("rms(log)", "root of the mean of (ln d − ln d*)²"),
    "delta_1": Display("δ < 1.25", "share of pixels with max(d/d*, d*/d) < 1.25"),
    "delta_2": Display("δ < 1.25²", "share of pixels with max(d/d*, d*/d) < 1.25²"),
    "delta_3": Display("δ < 1.25³", "share of pixels with max(d/d*, d*/d) < 1.25³"),
    "kl_divergence": Display("KL", "mean divergence of the muted from the full probabilities"),
    "changed_labels": _percent("changed labels", "share of places whose greatest class changes"),
    "relative_change": Display("relative change", "mean of |d muted − d full| / d full"),
    "absolute_change": Display("absolute change", "mean of |muted − full|"),
    "si_log": Display("si(log)", "root of the mean of the variance of ln d − ln d* in a sample"),
}
