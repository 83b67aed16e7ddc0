"""Judgement: the limits that were set beforehand, and whether they are kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

__all__ = ["COVERAGE", "PANEL", "judge", "rank_mutes"]

PANEL = ("zero", "mean", "shuffle", "noise")
NETWORK = ["data", "training", "seed", "source"]


def rank_mutes(artefacts: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield for each network, seed and source how well distance ranks the mutes by damage.

    `panel` and `all` are Spearman's rank correlations, over the mutes of the panel and over all;
    `ladder` says whether both damage and distance grow from step to step.
    """
    for key, own in artefacts.groupby(NETWORK, sort=False):
        panel = own[own["mute"].isin(PANEL)]
        ladder = own.dropna(subset="step").sort_values("step")
        grows = all(ladder[column].is_monotonic_increasing for column in ("damage", "distance"))
        yield {
            **dict(zip(NETWORK, key, strict=True)),
            "panel": _rank_correlation(panel["damage"], panel["distance"]),
            "all": _rank_correlation(own["damage"], own["distance"]),
            "mutes": len(own),
            "ladder": grows,
            "order_by_damage": _in_order(own, "damage"),
            "order_by_distance": _in_order(own, "distance"),
        }


def _in_order(own: pd.DataFrame, column: str) -> str:
    return " < ".join(own.sort_values(column, kind="stable")["mute"])


def _rank_correlation(one: pd.Series[float], other: pd.Series[float]) -> float:
    # Mutes that are the same, such as zero and mean of centred data, differ by rounding alone.
    a, b = (stats.rankdata(np.round(x.to_numpy(np.float64), 6)) for x in (one, other))
    return float(stats.pearsonr(a, b).statistic)


COVERAGE = (0.93, 0.97)
"""Between these lies the share of intervals that hold the truth."""

ALARMS = 0.06
BIAS = 0.3
POWER = 0.1

EXACT = ("mse", "accuracy")
"""Metrics that are means over places: what is measured has no bias at all."""

CHANCE = 4.5
"""Standard normal numbers by the thousand do not reach this."""


def judge(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return one row a criterion: how much of it, its limits, and whether they are kept.

    Parameters
    ----------
    tables
        The studies' tables by name; a criterion whose table is missing is left out.
    """
    judges = {"bias": _bias, "coverage": _coverage, "false_alarms": _alarms, "power": _power,
              "verdicts": _verdicts, "ranks": _ranks}  # fmt: skip
    records = [r for name, of in judges.items() if name in tables for r in of(tables[name])]
    return pd.DataFrame(records, columns=["what", "cases", "found", "wanted", "met"])


def _row(what: str, cases: int, value: str, limit: str, met: Any) -> dict[str, Any]:
    return {"what": what, "cases": cases, "found": value, "wanted": limit, "met": bool(met)}


def _bias(bias: pd.DataFrame) -> Iterator[dict[str, Any]]:
    exact = bias.loc[bias["metric"].isin(EXACT), "z"]
    for what, sizes, limit in (
        ("bias of means over places, size of z", exact.abs(), CHANCE),
        ("bias of everything, in standard errors", bias["in_errors"].abs(), BIAS),
    ):
        most = sizes.max()
        yield _row(what, len(sizes), f"at most {most:.2f}", f"at most {limit}", most <= limit)


def _coverage(coverage: pd.DataFrame) -> Iterator[dict[str, Any]]:
    low, high = COVERAGE
    keys = ["metric", "mute", "world"]
    for (metric, mute, world), own in coverage.groupby(keys, sort=False):
        shares = own["coverage"]
        yield _row(
            f"coverage of 95% intervals, {metric}, {mute}, world {world}", len(own),
            f"{100 * shares.min():.1f} to {100 * shares.max():.1f}%",
            f"{100 * low:.0f} to {100 * high:.0f}%",
            shares.between(low, high).all(),
        )  # fmt: skip


def _alarms(alarms: pd.DataFrame) -> Iterator[dict[str, Any]]:
    single, family = alarms[alarms["source"] != "any"], alarms[alarms["source"] == "any"]
    each = single.groupby(["world", "mute", "data"])["raw"].mean()
    kinds = {
        "each test alone": single["raw"],
        "tests alone, mean of a world, mute and layout": each,
        "any test after Holm": family["holm"],
    }
    for name, shares in kinds.items():
        most = float(shares.max())
        yield _row(f"false alarms, {name}", len(shares), f"at most {100 * most:.1f}%",
                   f"at most {100 * ALARMS:.0f}%", most <= ALARMS)  # fmt: skip


def _power(power: pd.DataFrame) -> Iterator[dict[str, Any]]:
    apart = float((power["power"] - power["predicted"]).abs().max())
    yield _row("power less what influence.analysis.power predicts", len(power),
               f"at most {100 * apart:.1f} points", f"at most {100 * POWER:.0f}",
               apart <= POWER)  # fmt: skip


def _verdicts(verdicts: pd.DataFrame) -> Iterator[dict[str, Any]]:
    wanted = verdicts[verdicts["expected"]]
    for source, verdict, share in zip(
        wanted["source"], wanted["verdict"], wanted["share"].astype(float), strict=True
    ):
        yield _row(f"verdict on {source}: {verdict}", 1, f"{100 * share:.1f}% of sets", "most",
                   share > 0.5)  # fmt: skip


def _ranks(ranks: pd.DataFrame) -> Iterator[dict[str, Any]]:
    ladder = ranks["ladder"]
    yield _row("ladder of constants: damage and distance grow together", len(ranks),
               f"{100 * ladder.mean():.0f}%", "all", ladder.all())  # fmt: skip
    for (data, training), own in ranks.groupby(["data", "training"], sort=False):
        least = own["all"].min()
        yield _row(f"distance ranks mutes as damage does, {data}, {training}", len(own),
                   f"rank correlation {np.mean(own['all']):.2f}, least {least:.2f}", "above 0.8",
                   least > 0.8)  # fmt: skip
