"""Agreement: before anything is timed, all contenders give the same numbers, and reads are counted.

What reads less or computes something else is not compared by its time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from influence.results.run import Run

from experiments.benchmarks.cases import INFLUENCE, Case
from experiments.benchmarks.data import CountingFeed, CountingSet
from experiments.benchmarks.rivals import Values, captum_differences, plain_pass, setup_loop
from experiments.benchmarks.subject import SOURCES, Source, Subject
from influence.errors import InfluenceError

__all__ = ["TOLERANCE", "check_agreement", "values_of"]

TOLERANCE = 1e-5
"""Largest difference of a value, relative for values above one: the noise of float32."""


def values_of(run: Run) -> Values:
    """Return every metric's value by mute, setup, output and metric."""
    rows = run.performance[run.performance["level"] == "all"]
    keys = zip(rows["mute"], rows["setup"], rows["target"], rows["metric"], strict=True)
    return {key: float(value) for key, value in zip(keys, rows["value"], strict=True)}


def check_agreement(case: Case, subject: Subject) -> list[dict[str, Any]]:
    """Run every contender once on all data.

    Returns
    -------
    list of dict
        For each source and contender the most reads of a sample, and the largest difference from
        our values.

    Raises
    ------
    InfluenceError
        If a contender's values differ by more than float noise, or have other keys.
    """
    records = []
    for source in SOURCES:
        counting = CountingSet(subject.opened(source))
        run = subject.measure(counting, setups=case.setups, mutes=list(case.mutes), draws=2)
        ours = values_of(run)
        reads = [counting.reads.get(index, 0) for index in range(subject.samples)]
        if min(reads) < 1:
            raise InfluenceError(f"{case.name}: expected every sample to be read, some were not")
        # By path or as a list, without the counting, it has to be the same.
        plainly = subject.measure(source, setups=case.setups, mutes=list(case.mutes), draws=2)
        gap = _gap(case, INFLUENCE, ours, values_of(plainly))
        path = "; ".join(run.info["paths"].values())
        records.append(_record(case, source, INFLUENCE, max(reads), gap) | {"path": path})
        for rival in case.limits:
            feed = subject.feed(source)
            found, expected = _of_rival(rival, case, subject, feed, ours)
            gap = _gap(case, rival, expected, found)
            records.append(_record(case, source, rival, feed.samples / subject.samples, gap))
    return records


def _record(case: Case, source: Source, contender: str, reads: float, gap: float) -> dict[str, Any]:
    return {
        "case": case.name,
        "source": source,
        "contender": contender,
        "reads_per_sample": reads,
        "largest_difference": gap,
    }


def _of_rival(
    rival: str, case: Case, subject: Subject, feed: CountingFeed, ours: Values
) -> tuple[Mapping[Any, float], Mapping[Any, float]]:
    """Return a rival's values, and what they have to be by our own, with the same keys."""
    names = [modality.name for modality in subject.network.inputs]
    full = "+".join(names)
    if rival == "plain pass":
        found = plain_pass(subject.network, feed, subject.device)
        return found, {key[2:]: x for key, x in ours.items() if key[:2] == ("none", full)}
    if rival == "setup loop":
        return setup_loop(subject.network, feed, setups=case.setups, mutes=case.mutes,
                          device=subject.device), ours  # fmt: skip
    differences = captum_differences(subject.network, feed, subject.device)
    expected = {
        (muted, output, metric): ours["none", full, output, metric]
        - ours["zero", "+".join(n for n in names if n != muted), output, metric]
        for muted, output, metric in differences
    }
    return differences, expected


def _gap(
    case: Case, contender: str, expected: Mapping[Any, float], found: Mapping[Any, float]
) -> float:
    """Return the largest difference, once it is known to be small."""
    if set(expected) != set(found):
        raise InfluenceError(
            f"{case.name}: {contender} gives other values than influence: "
            f"{sorted(map(str, set(expected) ^ set(found)))[:3]}"
        )
    gaps = {key: abs(found[key] - x) / max(1.0, abs(x)) for key, x in expected.items()}
    for worst in (key for key, gap in gaps.items() if not gap <= TOLERANCE):  # NaN too
        raise InfluenceError(
            f"{case.name}: {contender} gives {found[worst]} for {worst}, influence "
            f"{expected[worst]}; expected a difference of at most {TOLERANCE}"
        )
    return max(gaps.values())
