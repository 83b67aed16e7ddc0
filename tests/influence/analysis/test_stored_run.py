"""What rows are about is found again, and files that are not of one run are noticed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from influence.analysis.omega import influence_frame
from influence.analysis.stored_run import find_subjects, read_measured
from influence.errors import InfluenceError
from influence.measurement.pipeline import measure
from influence.network.joint_network import JointNetwork, Output
from influence.results.run_directory import Run, read_run
from influence.statistics.bootstrap import Resampling
from tests.toy import Toy, joint

DRAWS = 50


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory, toy_file: Path) -> Path:
    """A run of two seeds of one network, and another network, with levels by class."""
    networks = [joint(Toy(0)), joint(Toy(1), seed=1), joint(Toy(2), name="other", seed=None)]
    out = tmp_path_factory.mktemp("runs") / "run"
    measure(networks, toy_file, mutes=["zero", "shuffle"], draws=DRAWS, seed=3).write(out)
    return out


def test_the_tables_can_be_made_again_from_the_files(directory: Path) -> None:
    run = read_run(directory, rows=True)
    subjects, resampling = find_subjects(run), read_measured(run).resampling
    assert list(subjects) == ["toy-seed0", "toy-seed1", "other"]
    assert resampling == Resampling(DRAWS, 0.95, 3)
    keys = ["mute", "source", "target", "metric", "level"]
    for key, subject in subjects.items():
        again = influence_frame(resampling.sums(run.rows[key]), subject, resampling)
        own = run.influence[run.influence["network"] == subject.network]
        own = own[own["seed"].isna() if subject.seed is None else own["seed"] == subject.seed]
        both = again.merge(own, on=keys, validate="one_to_one", suffixes=("", "_written"))
        assert len(both) == len(again) == len(own)
        for column in ("omega", "omega_low", "omega_high", "p_value", "p_holm"):
            written = both[f"{column}_written"].to_numpy(float)
            assert both[column].to_numpy(float) == pytest.approx(written, nan_ok=True)
        for column in ("unit", "site", "higher_is_better", "checkpoint_sha256"):
            assert list(both[column]) == list(both[f"{column}_written"])


def test_metrics_can_be_chosen(directory: Path, net: JointNetwork) -> None:
    run = read_run(directory, rows=True)
    chosen = find_subjects(run, ["rms"])["other"]
    assert [(output, m.name) for output, m in chosen.scored()] == [("depth", "rms")]
    with pytest.raises(InfluenceError, match="unknown metric 'rmse': did you mean 'rms'"):
        find_subjects(run, ["rmse"])
    with pytest.raises(InfluenceError, match="unknown metric of this run 'psnr'"):
        find_subjects(run, ["psnr"])


def measured(run: Run, **changes: Any) -> Run:
    """Return a run with other entries in run.json."""
    return replace(run, info={"measured": {**run.info["measured"], **changes}})


def test_files_of_several_runs_are_noticed(directory: Path) -> None:
    run = read_run(directory, rows=True)
    facts = run.info["measured"]["networks"]
    renamed = [{**facts[0], "name": "new"}, *facts[1:]]
    halved = run.influence.assign(omega=run.influence["omega"] / 2)
    for other, message in (
        (replace(run, rows={}), "a streamed run keeps none"),
        (measured(run, networks=facts[:2]), "names 2 networks and rows.h5 has 3"),
        (measured(run, networks=facts[::-1]), "holds network 'toy-seed0' where run.json names"),
        (measured(run, networks=renamed), "holds network 'toy-seed0' where run.json names"),
        (measured(run, networks=[1, 2, 3]), "run.json: measured: networks: 0: input should be"),
        (replace(run, info={}), "run.json: measured: input should be a valid dict"),
        (replace(run, influence=halved), "by rows.h5 and .* by influence.csv"),
        (
            replace(run, influence=halved[halved["network"] == "toy"]),
            "has no row of network 'other",
        ),
    ):
        with pytest.raises(InfluenceError, match=message):
            find_subjects(other)
    for name, value in (("draws", "many"), ("confidence", None), ("seed", [])):
        with pytest.raises(InfluenceError, match=r"run\.json"):
            read_measured(measured(run, **{name: value}))


def test_what_run_json_lacks_or_no_run_can_have_is_refused(directory: Path) -> None:
    run = read_run(directory, rows=True)
    assert read_measured(run).data.sha256 == run.info["measured"]["data"]["sha256"]
    with pytest.raises(InfluenceError, match=r"run\.json: measured: data: .* got None"):
        read_measured(measured(run, data=None))
    many = r"run\.json: measured: draws: input should be less than or equal to 1000000, got 10{12}"
    with pytest.raises(InfluenceError, match=many):
        read_measured(measured(run, draws=10**12))


class Sum(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y


@pytest.mark.parametrize(("kind", "rows"), [("depth", "depth_errors"), ("other", "square_errors")])
def test_a_stored_rms_is_the_one_that_was_measured(tmp_path: Path, kind: str, rows: str) -> None:
    x, y = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(0)).exp()
    net = JointNetwork(Sum(), ["x", "y"], [Output("total", kind)])
    data = [({"x": x, "y": y}, {"total": x + 2 * y - 0.5})]
    # An error of depth beside it does not change what is meant.
    run = measure(net, data, metrics={"total": ["rms", "abs_rel"]}, mutes=["zero"], draws=10)
    run.write(tmp_path)
    (subject,) = find_subjects(read_run(tmp_path, rows=True)).values()
    assert [m.statistic.name for _, m in subject.scored()] == [rows, "depth_errors"]
