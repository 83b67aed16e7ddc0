"""Expectations: the scores that networks are known to reach with nothing muted."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from influence.errors import InfluenceError
from influence.network import JointNetwork

__all__ = ["Expectation", "parse_expectation", "read_expectations"]

FORM = re.compile(
    r"(?:(?P<network>.+)/)?(?P<output>[^:/=]+):(?P<metric>[^=]+)"
    r"=(?P<value>.+?)(?:\+-|±)(?P<tolerance>.+)"
)


@dataclass(frozen=True)
class Expectation:
    """A score that a network is known to reach with nothing muted.

    Parameters
    ----------
    output, metric
        What is scored, and by what: a name of a metric.
    value, tolerance
        The score in natural units, and how far from it is still right.
    network
        The one that it is said of; `None` for all that are measured.

    Raises
    ------
    InfluenceError
        If the value is not finite, or the tolerance not a finite number from 0.
    """

    output: str
    metric: str
    value: float
    tolerance: float
    network: str | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and 0 <= self.tolerance < math.inf):
            raise InfluenceError(
                f"expected a finite score of {self.output!r} and a tolerance of 0 or more, got "
                f"{self.value:g} and {self.tolerance:g}"
            )

    def said_of(self, network: JointNetwork, key: str) -> bool:
        """Say whether a network, which the results call `key`, is meant."""
        return self.network in (None, network.name, key)


def parse_expectation(text: str) -> Expectation:
    """Read ``output:metric=value+-tolerance``, with ``network/`` before it for one of several.

    The sign ± may stand for ``+-``.

    Raises
    ------
    InfluenceError
        If the text has another form, or its numbers make no sense.

    Examples
    --------
    >>> parse_expectation("semantic:mean_iou=0.542+-0.005")
    Expectation(output='semantic', metric='mean_iou', value=0.542, tolerance=0.005, network=None)
    """
    found = FORM.fullmatch(text)
    try:
        if found is None:
            raise ValueError("another form")
        value, tolerance = float(found["value"]), float(found["tolerance"])
    except ValueError as error:
        raise InfluenceError(
            "expected output:metric=value+-tolerance, such as semantic:mean_iou=0.542+-0.005, got "
            f"{text!r}"
        ) from error
    return Expectation(found["output"], found["metric"], value, tolerance, found["network"])


def read_expectations(wanted: str | Sequence[str | Expectation]) -> list[Expectation]:
    """Read one text, or several texts and records; see `parse_expectation`.

    >>> [e.metric for e in read_expectations("semantic:mean_iou=0.542+-0.005")]
    ['mean_iou']
    """
    several = [wanted] if isinstance(wanted, str) else wanted
    return [parse_expectation(e) if isinstance(e, str) else e for e in several]
