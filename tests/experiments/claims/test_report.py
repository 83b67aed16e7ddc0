"""The tables for readers say what the CSVs say."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from experiments.claims.report import blocks, claims_table
from experiments.claims.study import find_claims, judge_claims
from experiments.claims.tables import correlation_table, fit_table
from experiments.claims.worlds import World
from influence.display.table import format_table
from influence.errors import InfluenceError
from tests.experiments.claims.test_claims import CONCAVE, printed


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("claims")
    worlds: list[World] = [CONCAVE, printed()]
    claims = find_claims(worlds, 654).replace({"planted": "in-sample"})
    for name, frame in {
        "claims": claims, "judged": judge_claims(claims),
        "fits": fit_table(worlds), "correlations": correlation_table(worlds),
    }.items():  # fmt: skip
        frame.replace({"planted": "in-sample"}).to_csv(folder / f"{name}.csv", index=False)
    return folder


def test_a_row_of_the_page_is_a_claim_with_its_evidence(folder: Path) -> None:
    claims = pd.read_csv(folder / "claims.csv", dtype={"claim": str})
    lines = blocks(folder)["claims_zero"].splitlines()
    (line,) = [x for x in lines if x.startswith("| 5b.")]
    own = claims[(claims["claim"] == "5b") & (claims["condition"] == "published")]
    cell = line.split("|")[-2].replace("\\", "").strip()
    verdict, _, evidence = cell.partition(": ")
    assert verdict == "not decided"
    assert evidence == "; ".join(
        f"{row.target} {row.value:.2f} [{row.low:.2f}, {row.high:.2f}]" for row in own.itertuples()
    )


def test_every_claim_has_one_row_and_every_condition_a_column(folder: Path) -> None:
    judged = pd.read_csv(folder / "judged.csv", dtype={"claim": str})
    text = blocks(folder)["claims_zero"]
    rows = [x for x in text.splitlines() if x.startswith("|")][2:]
    assert len(rows) == judged["claim"].nunique()
    assert "in-sample" in text
    assert "published: 5 networks of 5 designs, 654 images" in text


def test_other_mutes_show_only_what_was_measured_or_printed_under_them(folder: Path) -> None:
    rows = [x for x in blocks(folder)["claims"].splitlines() if x.startswith("| 5b.")]
    assert rows[0].split("|")[3].strip() == "–"


def test_the_same_table_in_latex(folder: Path) -> None:
    claims, judged = (
        pd.read_csv(folder / f"{name}.csv", dtype={"claim": str}) for name in ("claims", "judged")
    )
    text = format_table(claims_table(claims, judged, "zero"), "tex")
    assert r"\toprule" in text
    assert "not decided: semantic" in text


def test_fits_and_correlations_are_arranged(folder: Path) -> None:
    found = blocks(folder)
    assert "depth → semantic" in found["fits"]
    assert "balance and performance: spearman" in found["correlations"]
    assert "-0.00" not in "".join(found.values())


def test_claims_that_were_not_tested_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(InfluenceError, match=r"claims\.csv.*python -m experiments\.claims"):
        blocks(tmp_path)


def test_an_entry_is_a_verdict_with_its_number() -> None:
    row = {"claim": "1", "statement": "It helps", "condition": "in-sample", "mute": "zero"}
    part = row | {
        "target": "depth", "quantity": "gain", "unit": "m", "value": 1.0, "low": 0.5,
        "high": 1.5, "n_networks": 3, "n_designs": 3, "n_images": 9,
    }  # fmt: skip
    whole = row | {"verdict": "supported", "verdict_holm": "supported"}
    table = claims_table(pd.DataFrame([part]), pd.DataFrame([whole]), "zero")
    assert table.entries["text"].item() == "supported: depth 1.00 [0.50, 1.50]"
