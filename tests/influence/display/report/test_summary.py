"""The summary: each number is a number of the files, and each count can be counted again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from influence.display.report.page import make_page
from influence.display.report.summary import Amount, Finding, Summary, spoken, summarise
from tests.influence.display.report.reader import read_page
from tests.influence.display.report.runs import distance_frame, page_run
from tests.tables_of_runs import influence_frame, performance_frame

REPORTS = Path(__file__).parents[4] / "reports"
NOTHING = pd.DataFrame()
OMEGAS = {"+": (0.2, 0.1), "-": (-0.2, -0.1), "0": (0.05, 0.0), "~": (0.2, -0.2),
          "p": (0.2, 0.001), "m": (0.001, -0.2)}  # fmt: skip


def frame(*signs: str, metric: str = "mean_iou") -> pd.DataFrame:
    """One network a sign, two mutes each: + helps, - hurts, 0 neither, ~ both, p and m partly."""
    rows = []
    for place, sign in enumerate(signs):
        for mute, omega in zip(("zero", "mean"), OMEGAS[sign], strict=True):
            width = 1.0 if sign == "0" else 0.01
            rows.append(
                {"network": f"n{place}", "seed": 0, "dataset": "d", "mute": mute,
                 "source": "x", "target": "y", "metric": metric, "level": "all", "unit": "",
                 "higher_is_better": True, "omega": omega, "omega_low": omega - width,
                 "omega_high": omega + width, "confidence": 0.9, "p_holm": width, "n": 1234}
            )  # fmt: skip
    return pd.DataFrame(rows)


def found(*signs: str) -> Finding:
    return summarise(frame(*signs), NOTHING, NOTHING).across[0]


@pytest.mark.parametrize(
    ("signs", "tone", "headline", "first"),
    [
        ("+", "helps", "helps", "Here the input helps under every mute."),
        ("++", "helps", "helps", "In all 2 networks the input helps under every mute."),
        ("--", "hurts", "hurts", "In all 2 networks the input hurts under every mute."),
        ("~", "unstable sign", "depends on the mute", "Here the sign depends on the mute."),
        ("p", "partly helps", "helps under some mutes",
         "Here the input helps under some mutes, and under others it is undecided."),
        ("mm", "partly hurts", "hurts under some mutes",
         "In all 2 networks the input hurts under some mutes, and under others it is undecided."),
        ("00", "not distinguishable from zero", "not distinguishable from zero",
         "In all 2 networks the influence is not distinguishable from zero."),
        ("+-~+", "", "networks differ",
         "Of 4 networks: in 2 the input helps under every mute; in 1 the input hurts under every "
         "mute; in 1 the sign depends on the mute."),
    ],
)  # fmt: skip
def test_headline_and_agreement(signs: str, tone: str, headline: str, first: str) -> None:
    finding = found(*signs)
    assert (finding.tone, finding.headline) == (tone, headline)
    assert spoken(finding.sentences[0]) == first


def test_one_mute_is_not_every_mute() -> None:
    one = frame("+", "+")
    (finding,) = summarise(one[one["mute"] == "zero"], NOTHING, NOTHING).across
    assert spoken(finding.sentences[0]) == "In all 2 networks the input helps under the only mute."


def test_range_and_certainty() -> None:
    sentences = [spoken(sentence) for sentence in found("+", "0", "-").sentences]
    assert sentences[1] == (
        "ω runs from −20.00 [−21.00, −19.00] (n2, mute zero) to +20.00 [+19.00, +21.00] (n0, mute "
        "zero), in percentage points of mean IoU."
    )
    assert sentences[2] == (
        "4 of 6 90% intervals exclude zero; 4 of 6 tests reject zero at 5% (sign flips, Holm)."
    )


def test_no_test_and_no_interval() -> None:
    untested = frame("+").assign(omega_low=np.nan, omega_high=np.nan, p_holm=np.nan)
    finding = summarise(untested, NOTHING, NOTHING).across[0]
    assert finding.headline == "no test"
    assert spoken(finding.sentences[2]) == "No interval says how sure this is."


def test_caution_about_mutes_far_from_the_data() -> None:
    influence = influence_frame()
    finding = summarise(influence, NOTHING, distance_frame(influence["network"])).across[0]
    assert spoken(finding.sentences[-1]).startswith(
        "Caution: 5 of 10 of these replaced inputs are far from the data (mutes zero)"
    )


def test_seeds_tell_networks_of_one_name_apart() -> None:
    two = pd.concat([frame("+").assign(seed=seed) for seed in (0, 1)])
    finding = summarise(two, NOTHING, NOTHING).across[0]
    assert [name for name, _ in finding.verdicts] == ["n0 #0", "n0 #1"]
    two = pd.concat([frame("+", "+").assign(dataset=name) for name in ("a", "b")])
    finding = summarise(two, NOTHING, NOTHING).across[0]
    assert [name for name, _ in finding.verdicts][:2] == ["n0 on a", "n1 on a"]


def test_performance_names_the_best_and_the_worst() -> None:
    performance = performance_frame()
    sentence, _ = summarise(influence_frame(), performance, NOTHING).performance
    own = performance[
        (performance["setup"] == "depth+semantic") & (performance["metric"] == "sqr_rel")
    ]
    worst, best = (row for _, row in own.sort_values("value").iloc[[-1, 0]].iterrows())
    assert [part.value for part in sentence if isinstance(part, Amount)] == [
        best["value"],
        worst["value"],
    ]
    assert f"in the best network ({best['network']})" in spoken(sentence)
    assert spoken(sentence).endswith("; lower is better.")


def test_facts() -> None:
    facts: Summary = summarise(frame("+", "-"), NOTHING, NOTHING)
    assert [spoken(sentence) for sentence in facts.facts] == [
        "Data: d, 1,234 samples.",
        "2 trained networks: n0, n1.",
        "Inputs were replaced in 2 ways: zero, mean.",
    ]


@pytest.mark.parametrize("study", ["nyuv2", "rooms", "made"])
def test_every_number_on_the_page_is_that_of_a_file(study: str, tmp_path: Path) -> None:
    run = page_run(tmp_path / "run") if study == "made" else REPORTS / study
    influence = pd.read_csv(run / "influence.csv")
    performance = pd.read_csv(run / "performance.csv")
    shown = read_page(make_page([run], gallery=False)).named("data")
    assert len(shown) == 4 * 2 * 3 + 2 * 2
    for tag in shown:
        value = float(tag.attributes["value"])
        gains = influence[["omega", "omega_low", "omega_high"]]
        omegas = influence[(gains == value).any(axis=1) & (influence["level"] == "all")]
        values = performance[(performance["value"] == value) & (performance["level"] == "all")]
        if tag.text[0] in "+−":
            assert set(omegas["metric"]) <= {"mean_iou", "sqr_rel"}
            assert len(omegas) >= 1
            assert tag.text.replace("−", "-") == f"{value * 100:+.2f}"
        else:
            first = values.iloc[0]
            unit = "" if pd.isna(first["unit"]) else f" {first['unit']}"
            percent = first["metric"] == "mean_iou"
            assert tag.text == (f"{value * 100:.2f}%" if percent else f"{value:.4f}{unit}")
