"""The summary of runs in words, whose numbers are those of the files.

Every printed number is an `Amount`, which holds the number of the file and its rounded text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from influence.display.notation import display_of, omega_unit, run_names, value_unit
from influence.results.selection import at_level, choose, far_from_data, headline, nothing_muted
from influence.results.verdict import (
    INDISTINGUISHABLE,
    STABLE,
    UNSTABLE,
    UNTESTED,
    in_words,
    verdicts,
)

__all__ = ["Amount", "Finding", "Sentence", "Summary", "spoken", "summarise"]

SIGNIFICANT = 0.05
LISTED_AT_MOST = 12
"""Of more networks the verdicts are counted, not listed."""

RUN = ["network", "seed", "dataset"]
PARTLY = "under some mutes, and under others it is undecided"
TONES = {
    "helps": ("helps", "the input helps under every mute"),
    "hurts": ("hurts", "the input hurts under every mute"),
    "partly helps": ("helps under some mutes", f"the input helps {PARTLY}"),
    "partly hurts": ("hurts under some mutes", f"the input hurts {PARTLY}"),
    UNSTABLE: ("depends on the mute", "the sign depends on the mute"),
    INDISTINGUISHABLE: (INDISTINGUISHABLE, f"the influence is {INDISTINGUISHABLE}"),
    UNTESTED: ("no test", "there is no test"),
}
"""Result for a network -> a heading, and the words that follow "in 3 of 5 networks"."""


@dataclass(frozen=True)
class Amount:
    """A number of a file, and the text that is printed for it."""

    value: float
    text: str


Sentence = tuple[str | Amount, ...]
"""Words and numbers, in reading order."""


@dataclass(frozen=True)
class Finding:
    """The results for one input and one output.

    Parameters
    ----------
    source, target
        The muted site and the output that is scored.
    score
        What the output is scored by, for readers.
    tone
        One of `TONES` if all networks share it, or empty.
    headline
        The tone in words.
    sentences
        How many networks, how much, how sure.
    verdicts
        Network -> its verdict in words; empty where there are too many networks.
    """

    source: str
    target: str
    score: str
    tone: str
    headline: str
    sentences: tuple[Sentence, ...]
    verdicts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Summary:
    """The summary at the top of a page.

    Parameters
    ----------
    facts
        What was measured: sentences.
    performance
        How good the outputs are with nothing muted: one sentence per output.
    across, same_name
        Findings about inputs and outputs of other names, and of the same name.
    """

    facts: tuple[Sentence, ...]
    performance: tuple[Sentence, ...]
    across: tuple[Finding, ...]
    same_name: tuple[Finding, ...]


def summarise(
    influence: pd.DataFrame, performance: pd.DataFrame, distance: pd.DataFrame
) -> Summary:
    """Summarise the results of runs in words, by one metric per output, over all samples.

    Parameters are frames with the columns of the files; the second and the third may be empty.

    Raises
    ------
    InfluenceError
        If no result is over all samples, or a mute occurs twice in a direction.

    Examples
    --------
    >>> frame = pd.DataFrame({
    ...     "network": "a", "seed": 0, "dataset": "d", "source": "depth", "target": "semantic",
    ...     "metric": "mean_iou", "level": "all", "mute": ["zero", "mean"], "unit": "",
    ...     "higher_is_better": True, "omega": [0.245, 0.035], "omega_low": [0.2, 0.03],
    ...     "omega_high": [0.3, 0.04], "confidence": 0.95, "p_holm": [0.01, 0.2], "n": 9})
    >>> summary = summarise(frame, pd.DataFrame(), pd.DataFrame())
    >>> summary.across[0].headline
    'helps'
    >>> spoken(summary.across[0].sentences[0])
    'Here the input helps under every mute.'
    """
    chosen = _called(choose(influence))
    findings = [
        _finding(omegas, distance)
        for _, omegas in chosen.groupby(["source", "target", "metric"], sort=False)
    ]
    return Summary(
        facts=tuple(_facts(influence)),
        performance=tuple(_performance(performance)),
        across=tuple(found for found in findings if found.source != found.target),
        same_name=tuple(found for found in findings if found.source == found.target),
    )


def spoken(sentence: Sentence) -> str:
    """Return a sentence as plain text.

    >>> spoken(("ω is ", Amount(0.0123, "+1.23"), "."))
    'ω is +1.23.'
    """
    return "".join(part.text if isinstance(part, Amount) else part for part in sentence)


def _facts(influence: pd.DataFrame) -> Iterator[Sentence]:
    networks = len(influence[RUN].drop_duplicates())
    for dataset, rows in influence.groupby("dataset", sort=False, dropna=False):
        sizes = " or ".join(f"{n:,.0f}" for n in rows["n"].dropna().unique())
        yield (f"Data: {dataset}{f', {sizes} samples' if sizes else ''}.",)
    names = _called(influence)["called"].unique()
    listed = f": {_joined(names)}" if len(names) <= LISTED_AT_MOST else ""
    yield (f"{_counted(networks, 'trained network')}{listed}.",)
    mutes = influence["mute"].unique()
    yield (f"Inputs were replaced in {_counted(len(mutes), 'way')}: {_joined(mutes)}.",)


def _performance(performance: pd.DataFrame) -> Iterator[Sentence]:
    if performance.empty:
        return
    full = _called(headline(at_level(nothing_muted(performance), "all")))
    for target, rows in full.groupby("target", sort=False):
        higher = bool(rows["higher_is_better"].iloc[0])
        ordered = rows.sort_values("value", kind="stable", ascending=higher)
        worst, best = ordered.iloc[0], ordered.iloc[-1]
        display = display_of(best["metric"])
        defined = f" ({display.definition})" if display.definition else ""
        words: list[str | Amount] = [f"{target}: {display.label}{defined} is ", _value(best)]
        if len(ordered) > 1:
            words += [f" in the best network ({best['called']}) and ", _value(worst)]
            words += [f" in the worst ({worst['called']})"]
        yield (*words, f"; {'higher' if higher else 'lower'} is better.")


def _finding(omegas: pd.DataFrame, distance: pd.DataFrame) -> Finding:
    judged = _called(verdicts(omegas))
    tones = [_tone(row) for row in judged.itertuples(index=False)]
    tone = tones[0] if len(set(tones)) == 1 else ""
    first = omegas.iloc[0]
    sentences = [
        _agreement(tones, omegas["mute"].nunique()),
        _range(omegas),
        *_certainty(omegas),
        *_caution(omegas, distance),
    ]
    listed = len(judged) <= LISTED_AT_MOST
    return Finding(
        source=first["source"],
        target=first["target"],
        score=display_of(first["metric"]).label,
        tone=tone,
        headline=TONES[tone][0] if tone else "networks differ",
        sentences=tuple(sentences),
        verdicts=tuple(
            (str(row.called), in_words(row)) for row in judged.itertuples(index=False) if listed
        ),
    )


def _tone(judged: Any) -> str:
    side = "helps" if judged.helps else "hurts"
    if judged.verdict == STABLE:
        return side
    if judged.verdict == UNSTABLE and not (judged.helps and judged.hurts):
        return f"partly {side}"
    return str(judged.verdict)


def _agreement(tones: Sequence[str], mutes: int) -> Sentence:
    """Write in how many networks each verdict holds."""
    total = len(tones)
    counts = [
        (tones.count(tone), words if mutes > 1 else words.replace("every mute", "the only mute"))
        for tone, (_, words) in TONES.items()
        if tone in tones
    ]
    if total == 1:
        return (f"Here {counts[0][1]}.",)
    if len(counts) == 1:
        return (f"In all {total} networks {counts[0][1]}.",)
    parts = "; ".join(f"in {count} {words}" for count, words in counts)
    return (f"Of {total} networks: {parts}.",)


def _range(omegas: pd.DataFrame) -> Sentence:
    display = display_of(omegas["metric"].iloc[0])
    unit = omega_unit(omegas.iloc[0])
    scale = f", in {unit}" if unit else ""
    scale += f" of {display.label}" if unit == "percentage points" else ""
    known = omegas[omegas["omega"].notna()].sort_values("omega", kind="stable")
    if known.empty:
        return ("No ω is known.",)
    low, high = known.iloc[0], known.iloc[-1]
    if len(known) == 1:
        return ("ω is ", *_gain(low), f"{scale}.")
    ends = [f" ({row['called']}, mute {row['mute']})" for row in (low, high)]
    return ("ω runs from ", *_gain(low), f"{ends[0]} to ", *_gain(high), f"{ends[1]}{scale}.")


def _certainty(omegas: pd.DataFrame) -> Iterator[Sentence]:
    """Write how many intervals exclude zero, and how many tests reject it."""
    tested = omegas[omegas["omega_low"].notna()]
    if tested.empty:
        yield ("No interval says how sure this is.",)
        return
    excluding = ((tested["omega_low"] > 0) | (tested["omega_high"] < 0)).sum()
    confidence = " or ".join(f"{level:.0%}" for level in tested["confidence"].dropna().unique())
    passed, tests = (omegas["p_holm"] < SIGNIFICANT).sum(), omegas["p_holm"].notna().sum()
    yield (
        f"{excluding} of {len(tested)} {confidence} intervals exclude zero; {passed} of {tests} "
        f"tests reject zero at {SIGNIFICANT:.0%} (sign flips, Holm).",
    )


def _caution(omegas: pd.DataFrame, distance: pd.DataFrame) -> Iterator[Sentence]:
    """Warn of mutes whose replaced inputs are far from the data."""
    far = omegas[far_from_data(omegas, distance)]
    if len(far):
        yield (
            f"Caution: {len(far)} of {len(omegas)} of these replaced inputs are far from the data "
            f"(mutes {_joined(far['mute'].unique())}), where ω may be an artefact of the mute.",
        )


def _gain(row: pd.Series) -> Sentence:
    """Write an omega, with its interval if it has one."""
    display = display_of(row["metric"])
    omega, low, high = (
        _amount(row[key], f"{row[key] * display.gain:+.{display.gain_digits}f}")
        for key in ("omega", "omega_low", "omega_high")
    )
    return (omega,) if pd.isna(low.value) else (omega, " [", low, ", ", high, "]")


def _value(row: pd.Series) -> Amount:
    display = display_of(row["metric"])
    unit = value_unit(row)
    unit = unit if unit == "%" else f" {unit}".rstrip()
    return _amount(row["value"], f"{row['value'] * display.factor:.{display.digits}f}{unit}")


def _amount(value: float, text: str) -> Amount:
    return Amount(float(value), text.replace("-", "−"))


def _called(frame: pd.DataFrame) -> pd.DataFrame:
    """Add the column `called`: the network, with seed and data set if there are several."""
    return frame.assign(called=run_names(frame, " on "))


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _joined(names: Iterable[object]) -> str:
    return ", ".join(map(str, names))
