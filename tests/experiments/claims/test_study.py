"""The study from run directories to CSVs, on networks whose rows are made up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from experiments.claims.__main__ import claims as command
from experiments.claims.report import blocks
from experiments.claims.sources import find_networks
from experiments.claims.study import CLAIMS_COLUMNS, JUDGED_COLUMNS, write_study
from experiments.sweep.study import CONDITIONS, Member, Sweep
from influence.errors import InfluenceError
from influence.plan.setups import FULL, NO_MUTE, Condition
from influence.results.run_directory import write_rows
from influence.statistics.rows import RowKey, Rows

SAMPLES = 24
SWEEP = Sweep()


def made_up(seed: int, *, muted: bool = True) -> Rows:
    """Make rows of maps of 100 pixels: a network whose muted inputs cost it something."""
    stream = np.random.default_rng(seed)
    skill = stream.uniform(0.8, 1.2)
    values: dict[RowKey, NDArray[np.float64]] = {}
    conditions: list[tuple[str, frozenset[str]]] = [(NO_MUTE, FULL)]
    if muted:
        conditions += [(mute, frozenset({source})) for mute in ("zero", "shuffle")
                       for source in ("depth", "semantic")]  # fmt: skip
    for mute, setup in conditions:
        cost = 1.0 if mute == NO_MUTE else stream.uniform(1.01, 1.3)
        errors = np.column_stack(
            [np.full(SAMPLES, 100.0), stream.uniform(10, 30, (SAMPLES, 10)) * skill * cost]
        )
        places = stream.uniform(15, 25, (SAMPLES, 5))
        right = places * (1 - 0.3 * skill * cost) * stream.uniform(0.95, 1, (SAMPLES, 5))
        condition = Condition(mute, setup)
        values[RowKey(condition, "depth", "depth_errors")] = errors
        values[RowKey(condition, "semantic", "class_counts")] = np.hstack([right, places, places])
    ids = [f"{i}" for i in range(SAMPLES)]
    units = np.arange(SAMPLES) // 2
    return Rows(ids, np.arange(SAMPLES), values, units)


def write_run(folder: Path, name: str, rows: Rows) -> None:
    folder.mkdir(parents=True)
    write_rows(folder / "rows.h5", {name: rows})
    (folder / "run.json").write_text("{}")


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """All networks of the sweep, with made-up rows."""
    folder = tmp_path_factory.mktemp("sweep")
    found = replace(SWEEP, work=folder / "work", reports=folder / "reports")
    for number, member in enumerate(found.members()):
        write_run(found.run_folder(member), member.name, made_up(number))
    write_run(folder / "work" / "measured" / "inputs", "input", made_up(99, muted=False))
    return found


@pytest.fixture(scope="module")
def tables(sweep: Sweep) -> dict[str, pd.DataFrame]:
    paths = list(write_study(sweep, draws=40))
    return {path.stem: pd.read_csv(path, dtype={"claim": str}) for path in paths}


def of_condition(sweep: Sweep, condition: str) -> Iterator[Member]:
    return (member for member in sweep.members() if member.condition == condition)


def test_all_tables_are_written(tables: dict[str, pd.DataFrame]) -> None:
    names = {"claims", "judged", "robustness", "fits", "curves", "correlations", "hull", "balance"}
    assert set(tables) == names
    assert tuple(tables["claims"].columns) == CLAIMS_COLUMNS
    assert tuple(tables["judged"].columns) == JUDGED_COLUMNS


def test_every_claim_is_judged_in_every_world(
    sweep: Sweep, tables: dict[str, pd.DataFrame]
) -> None:
    own = tables["judged"]
    mutes = own.groupby("condition")["mute"].agg(set)
    assert mutes["published"] == {"none", "unstated"}
    assert mutes["in-sample"] == mutes["cross-fitted"] == {"none", "zero", "shuffle"}
    assert own.groupby(["condition", "claim"]).ngroups == 3 * own["claim"].nunique()
    counted = tables["claims"].groupby("condition")["n_networks"].max()
    for condition in ("in-sample", "cross-fitted"):
        assert counted[condition] == len(list(of_condition(sweep, condition)))


def test_robustness_leaves_out_designs_of_one_channel(
    sweep: Sweep, tables: dict[str, pd.DataFrame]
) -> None:
    keys = ["condition", "mute", "claim", "target"]
    counts = [tables[name].set_index(keys)["n_designs"] for name in ("claims", "robustness")]
    fewer = (counts[0] - counts[1]).dropna()
    for condition in CONDITIONS:
        narrow = {own.label for own in of_condition(sweep, condition) if own.design.channels == 1}
        assert fewer.loc[condition].unique().tolist() == [len(narrow)]
        assert len(narrow) > 0
    assert "published" not in set(tables["robustness"]["condition"])


def test_balance_table_holds_the_numbers_of_each_network(
    sweep: Sweep, tables: dict[str, pd.DataFrame]
) -> None:
    table = tables["balance"]
    member = next(iter(of_condition(sweep, "in-sample")))
    row: Any
    (row,) = table[(table["network"] == member.name) & (table["seed"] == member.seed)
                   & (table["mute"] == "zero")].itertuples()  # fmt: skip
    rows = made_up(0)
    full, muted = (
        -100 * rows.values[RowKey(Condition(mute, setup), "depth", "depth_errors")].sum(0)[2] / 2400
        for mute, setup in ((NO_MUTE, FULL), ("zero", frozenset({"semantic"})))
    )
    assert row.performance_depth == pytest.approx(full, rel=1e-4)
    assert row.omega_depth == pytest.approx(full - muted, rel=1e-3)
    assert row.relative_depth == pytest.approx((full - muted) / -full, rel=1e-3)
    shares = sorted([row.relative_depth, row.relative_semantic])
    assert row.balance == pytest.approx(shares[0] / shares[1], rel=1e-3)
    assert row.balance_low < row.balance < row.balance_high
    assert row.n == SAMPLES


def test_curves_pass_where_the_fits_say(tables: dict[str, pd.DataFrame]) -> None:
    keys = ["condition", "mute", "target", "images"]
    fits = tables["fits"].pivot_table(index=keys, columns=["kind", "quantity"], values="value")
    curves = tables["curves"]
    assert (curves["low"] <= curves["high"]).all()
    lines = curves[curves["kind"] == "linear"].groupby(keys)
    key: Any
    for key, line in lines:
        row = fits.loc[key]
        x, y = line["x"].to_numpy(), line["fit"].to_numpy()
        assert np.polyfit(x, y, 1)[0] == pytest.approx(row["linear", "slope"], rel=0.01, abs=1e-3)
        assert y[len(y) // 2] == pytest.approx(row["linear", "intercept"], rel=1e-3)


def test_envelope_lies_above_all_networks(tables: dict[str, pd.DataFrame]) -> None:
    balance, hull = tables["balance"], tables["hull"]
    for (condition, mute, target), corners in hull.groupby(["condition", "mute", "target"]):
        own = balance[(balance["condition"] == condition) & (balance["mute"] == mute)]
        x, y = own[f"omega_{target}"], own[f"performance_{target}"]
        height = np.interp(x, corners["omega"], corners["performance"])
        assert (height >= y - 1e-3).all()
        assert corners["gap"].iloc[0] == pytest.approx((height - y).mean(), abs=1e-3)
        assert set(corners["network"]) <= set(own["network"])


def test_page_is_made_from_the_tables(sweep: Sweep, tables: dict[str, pd.DataFrame]) -> None:
    found = blocks(sweep.reports)
    claims = tables["claims"]
    first = claims[(claims["claim"] == "1") & (claims["condition"] == "in-sample")].iloc[0]
    assert f"{first['value']:.2f} \\[{first['low']:.2f}, {first['high']:.2f}\\]" in found["claims"]


def test_missing_networks_are_named(sweep: Sweep, tmp_path: Path) -> None:
    bare = replace(sweep, work=tmp_path)
    with pytest.raises(InfluenceError, match=r"seed0/jrn-cat60, .*--partial"):
        find_networks(bare, "in-sample")
    assert find_networks(bare, "in-sample", partial=True) == []


def test_command_refuses_half_a_sweep(tmp_path: Path) -> None:
    result = CliRunner().invoke(command, ["--work", str(tmp_path)])
    assert isinstance(result.exception, InfluenceError)
