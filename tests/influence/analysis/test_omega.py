"""Omega against closed forms, three passes with torchmetrics, and Captum; stateful metrics."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from captum.attr import DataLoaderAttribution, FeatureAblation
from numpy.typing import NDArray
from torch import Tensor, nn
from torchmetrics import MeanSquaredError
from torchmetrics.classification import MulticlassJaccardIndex

from influence.analysis.omega import Subject, influence_frame, performance_frame
from influence.data.dataset import Batch
from influence.data.derangement import pair_up, random_order
from influence.data.evaluation_file import EvaluationFile
from influence.errors import InfluenceError
from influence.measurement.pipeline import Checkpointing, measure
from influence.metrics.labels import CLASS_COUNTS, MEAN_IOU
from influence.network.joint_network import JointNetwork
from influence.plan.setups import Condition
from influence.results.run_directory import Run, read_run
from influence.runtime.processes import Processes
from influence.statistics.bootstrap import Resampling, holm
from influence.statistics.rows import RowKey, Rows, Sums
from tests.toy import CLASSES, Toy, batches, toy, toy_arrays, write_toy_file

METRICS = {"depth": ["rms"], "semantic": ["mean_iou"]}


def omegas(run: Run) -> pd.Series:
    at_all = run.influence[run.influence["level"] == "all"]
    return at_all.set_index(["mute", "source", "target", "metric"])["omega"]


class Linear(nn.Module):
    """t = A x + B y in float64."""

    def __init__(self, a: Tensor, b: Tensor) -> None:
        super().__init__()
        self.a, self.b = nn.Parameter(a), nn.Parameter(b)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x @ self.a.T + y @ self.b.T


def test_linear_network_agrees_with_the_closed_form() -> None:
    """With residuals e, muting y to m changes the mean square by E|B(y-m)|^2 + 2 E[e.B(y-m)]."""
    stream = torch.Generator().manual_seed(0)
    x, y, e = (torch.randn(40, k, generator=stream, dtype=torch.float64) for k in (4, 5, 3))
    y = y + 1.5
    a, b = (torch.randn(3, k, generator=stream, dtype=torch.float64) for k in (4, 5))
    target = x @ a.T + y @ b.T - e
    net = JointNetwork(Linear(a, b), ("x", "y"), ("t",))
    run = measure(
        net,
        [({"x": x, "y": y}, {"t": target})],
        mutes=["zero", "mean", "shuffle", "constant:0.25"],
        metrics={"t": ["mse"]},
        seed=5,
        draws=10,
    )
    partner = pair_up(random_order(40, seed=5)).follows
    for source, values, weights in (("x", x, a), ("y", y, b)):
        replaced = {
            "zero": torch.zeros_like(values),
            "mean": values.mean(0, keepdim=True),
            "shuffle": values[torch.from_numpy(partner)],
            "constant:0.25": torch.full_like(values, 0.25),
        }
        for mute, by in replaced.items():
            lost = values - by
            second = torch.einsum("oi,ni,nj,oj->", weights, lost, lost, weights)
            cross = torch.einsum("no,oi,ni->", e, weights, lost)
            expected = float(second - 2 * cross) / e.numel()
            assert omegas(run)[mute, source, "t", "mse"] == pytest.approx(expected, abs=1e-10)


@pytest.fixture(scope="module")
def measured(toy_file: Path) -> Run:
    return measure(toy(), toy_file, mutes=["zero"], metrics=METRICS, draws=50, batch_size=4)


def three_passes(path: Path) -> dict[tuple[str, str], tuple[float, float]]:
    """Score full, without depth, without semantic: rms and mean IoU by torchmetrics."""
    data, module = EvaluationFile(path), Toy().eval()
    scores = {}
    for muted in ("", "depth", "semantic"):
        rms = MeanSquaredError(squared=False)
        iou = MulticlassJaccardIndex(len(CLASSES), ignore_index=-1)
        for index in range(len(data)):
            sample: Any = data.read(np.array([index]))
            shown = {n: x * 0 if n == muted else x for n, x in sample.inputs.items()}
            with torch.inference_mode():
                depth, semantic = module(*shown.values())
            truth = sample.targets["depth"]
            rms.update(depth[:, 0][truth.isfinite()].double(), truth[truth.isfinite()].double())
            iou.update(semantic, sample.targets["semantic"])
        scores[muted] = (-rms.compute().item(), iou.compute().item())
    return {
        (source, target): (scores[""][i], scores[""][i] - scores[source][i])
        for source in ("depth", "semantic")
        for i, target in enumerate(("depth", "semantic"))
    }


def test_agrees_with_three_passes_and_torchmetrics(measured: Run, toy_file: Path) -> None:
    found = measured.influence[measured.influence["level"] == "all"]
    expected = three_passes(toy_file)
    assert len(found) == len(expected) == 4
    for row in found.to_dict("records"):
        full, omega = expected[row["source"], row["target"]]
        assert row["omega"] == pytest.approx(omega, abs=1e-6)
        assert row["full"] == pytest.approx(abs(full), abs=1e-6)


@pytest.mark.filterwarnings("ignore")
def test_agrees_with_captum(measured: Run, toy_file: Path) -> None:
    """Captum's feature ablation over a data loader, both metrics and both modalities at once."""
    data, module = EvaluationFile(toy_file), Toy().eval()

    def forward(depth: Tensor, semantic: Tensor) -> Tensor:
        return torch.cat(module(depth, semantic), dim=1)

    def reduce(total: Any, out: Tensor, batch: tuple[Tensor, ...]) -> list[Tensor]:
        _, _, labels, truth = batch
        valid = truth.isfinite()
        square = (out[:, 0][valid].double() - truth[valid].double()).square().sum()
        scored = labels >= 0
        pairs = labels[scored] * 3 + out[:, 1:].argmax(1)[scored]
        now = [square, valid.sum(), torch.bincount(pairs, minlength=9).reshape(3, 3).double()]
        return now if total is None else [a + b for a, b in zip(total, now, strict=True)]

    def to_metric(total: list[Tensor]) -> Tensor:
        square, pixels, counts = total
        union = counts.sum(0) + counts.sum(1) - counts.diag()
        return torch.stack([-(square / pixels).sqrt(), (counts.diag() / union).mean()])

    whole: Any = data.read(np.arange(len(data)))
    columns = [whole.inputs[n] for n in ("depth", "semantic")]
    columns += [whole.targets[n] for n in ("semantic", "depth")]
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*columns), batch_size=5)
    with torch.inference_mode():
        found = DataLoaderAttribution(FeatureAblation(forward)).attribute(
            loader,
            input_roles=(0, 0, 2, 2),
            baselines=(0.0, 0.0),
            feature_mask=tuple(torch.full((1, 1, 1, 1), i) for i in (0, 1)),
            reduce=reduce,
            to_metric=to_metric,
            perturbations_per_pass=2,
            return_input_shape=False,
        )
    for i, (target, metric) in enumerate((("depth", "rms"), ("semantic", "mean_iou"))):
        for j, source in enumerate(("depth", "semantic")):
            omega = omegas(measured)["zero", source, target, metric]
            assert omega == pytest.approx(found[i, j].item(), abs=1e-6)


def test_omega_is_the_oriented_difference_and_lies_in_its_interval(measured: Run) -> None:
    frame = measured.influence
    sign = np.where(frame["higher_is_better"], 1.0, -1.0)
    np.testing.assert_array_equal(frame["omega"], sign * (frame["full"] - frame["muted"]))
    assert (frame["omega_low"] <= frame["omega_high"]).all()
    assert ((frame["omega_low"] <= frame["omega"]) & (frame["omega"] <= frame["omega_high"])).all()


def test_classes_have_levels_whose_mean_is_the_whole(measured: Run) -> None:
    frame = measured.influence.query("target == 'semantic' and source == 'depth'")
    assert list(frame["level"]) == ["all", *(f"class:{name}" for name in CLASSES)]
    for column in ("full", "muted", "omega"):
        assert frame[column].iloc[0] == pytest.approx(frame[column].iloc[1:].mean())


def test_p_value_agrees_with_all_swaps_of_full_and_muted_samples(tmp_path: Path) -> None:
    path = write_toy_file(tmp_path / "a.h5", 8)
    run = measure(toy(), path, mutes=["mean"], metrics={"depth": ["rms"]}, draws=20_000)
    found = run.influence.query("source == 'semantic'").iloc[0]
    samples = run.samples.query("source == 'semantic'")
    # Every sample has as many valid pixels, so that squares of its rms may be averaged.
    squares = samples[["full", "muted"]].to_numpy() ** 2
    omegas = []
    for swaps in product([0, 1], repeat=8):
        chosen = np.where(np.array(swaps)[:, None], squares[:, ::-1], squares)
        full, muted = np.sqrt(chosen.mean(axis=0))
        omegas.append(muted - full)
    assert omegas[0] == pytest.approx(found["omega"])
    exact = float((np.abs(omegas) >= abs(omegas[0]) - 1e-12).mean())
    assert 0.01 < exact < 0.99
    assert found["p_value"] == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 20_000))


def test_holm_runs_over_one_network_one_mute_and_one_kind_of_level(toy_file: Path) -> None:
    run = measure(toy(), toy_file, mutes=["zero", "mean"], metrics=METRICS, draws=200)
    families = run.influence.groupby(["mute", run.influence["level"] == "all"])
    assert sorted(len(family) for _, family in families) == [4, 4, 6, 6]
    for _, family in families:
        assert family["p_holm"].tolist() == holm(family["p_value"].tolist())


class Deaf(Toy):
    """A network that does not listen to its semantic input."""

    def forward(self, depth: Tensor, semantic: Tensor) -> tuple[Tensor, Tensor]:
        return super().forward(depth, torch.ones_like(semantic))


def test_input_that_is_not_used_has_no_influence_at_all(toy_file: Path) -> None:
    net = JointNetwork(Deaf(), toy().inputs, toy().outputs)
    frame = measure(net, toy_file, mutes=["zero", "shuffle", "noise"], draws=50).influence
    unused = frame[frame["source"] == "semantic"]
    assert (unused[["omega", "omega_low", "omega_high"]] == 0.0).all(axis=None)
    assert (unused[["p_value", "p_holm"]] == 1.0).all(axis=None)
    assert (frame.loc[frame["source"] == "depth", "omega"] != 0.0).any()


def test_groups_widen_the_interval_of_repeated_samples(tmp_path: Path) -> None:
    arrays = toy_arrays(8)
    repeated: dict[str, Any] = {
        part: {n: np.repeat(x, 4, axis=0) for n, x in named.items()}
        for part, named in arrays.items()
    }
    width = {}
    for name, groups in (("apart", None), ("grouped", np.repeat(np.arange(8), 4))):
        path = write_toy_file(tmp_path / f"{name}.h5", **repeated, groups=groups)
        run = measure(toy(), path, mutes=["zero"], metrics=METRICS, draws=2000)
        row = run.influence.iloc[0]
        width[name] = row["omega_high"] - row["omega_low"]
    # Four copies of a sample say no more than one: the interval is about twice as wide.
    assert width["grouped"] / width["apart"] == pytest.approx(2.0, rel=0.35)


def test_samples_frame_scores_each_sample_alone(measured: Run, tmp_path: Path) -> None:
    arrays = toy_arrays()
    alone: dict[str, Any] = {
        part: {n: x[4:5] for n, x in named.items()} for part, named in arrays.items()
    }
    path = write_toy_file(tmp_path / "one.h5", **alone)
    one = omegas(measure(toy(), path, mutes=["zero"], metrics=METRICS, draws=10))
    rows = measured.samples[measured.samples["id"] == "4"]
    assert len(rows) == 4
    for row in rows.to_dict("records"):
        expected = one["zero", row["source"], row["target"], row["metric"]]
        assert row["omega"] == pytest.approx(expected)


def test_performance_has_one_row_for_full_and_one_for_each_condition(measured: Run) -> None:
    frame = measured.performance[measured.performance["level"] == "all"]
    assert list(zip(frame["mute"], frame["setup"], strict=True)) == [
        *[("none", "depth+semantic")] * 2,
        *[("zero", "semantic")] * 2,
        *[("zero", "depth")] * 2,
    ]
    full = frame[frame["mute"] == "none"].set_index("target")["value"]
    for row in measured.influence.query("level == 'all'").to_dict("records"):
        assert row["full"] == full[row["target"]]
    assert (frame["low"] <= frame["value"]).all()
    assert (frame["value"] <= frame["high"]).all()
    assert list(frame["unit"].unique()) == ["m", ""]


def made_up_sums(**counts: list[float]) -> Sums:
    """Sum rows (correct, truth, guess) of two classes under conditions named by what they mute."""
    values = {
        RowKey(
            Condition("zero" if sites else "none", frozenset(sites.split("_")) - {""}),
            "y",
            "counts",
        ): np.tile(count, (5, 1))
        for sites, count in counts.items()
    }
    rows = Rows([str(i) for i in range(5)], np.arange(5), values)
    return Resampling(draws=20).sums(rows)


def made_up_subject(classes: tuple[str, ...] = ()) -> Subject:
    metric = replace(MEAN_IOU, statistic=replace(CLASS_COUNTS, name="counts"))
    return Subject("net", None, "made up", ("a", "b", "c"), {"y": [metric]}, {"y": classes}, {})


def test_conditions_that_mute_several_sites_have_a_performance_and_no_omega() -> None:
    full = [3.0, 4, 4, 4, 4, 5]
    sums = made_up_sums(
        **{"": full, "a": full, "a_c": [2.0, 4, 4, 4, 5, 5], "a_b_c": [0.0, 0, 4, 4, 4, 4]}
    )
    performance = performance_frame(sums, made_up_subject(), Resampling(draws=20))
    at_all = performance[performance["level"] == "all"].set_index(["mute", "setup"])["value"]
    # Both classes by hand: correct / (truth + guess - correct).
    assert at_all.to_dict() == pytest.approx(
        {
            ("none", "a+b+c"): (3 / 5 + 4 / 5) / 2,
            ("zero", "b+c"): (3 / 5 + 4 / 5) / 2,
            ("zero", "b"): (2 / 7 + 4 / 5) / 2,
            ("zero", "none"): 0.0,
        }
    )
    influence = influence_frame(sums, made_up_subject(), Resampling(draws=20))
    assert set(influence["source"]) == {"a"}


def test_classes_without_names_are_numbered() -> None:
    sums = made_up_sums(**{"": [3.0, 4, 4, 4, 4, 5], "b": [2.0, 4, 4, 4, 5, 5]})
    for classes, names in (((), ["0", "1"]), (("floor", "wall"), ["floor", "wall"])):
        frame = influence_frame(sums, made_up_subject(classes), Resampling(draws=20))
        assert frame["level"].tolist() == ["all", *(f"class:{name}" for name in names)]
        assert frame["omega"].tolist() == pytest.approx([(3 / 5 - 2 / 7) / 2, 3 / 5 - 2 / 7, 0.0])


UNKNOWN = ["omega_low", "omega_high", "p_value", "p_holm"]


def run_stateful(data: Any, **options: Any) -> Run:
    metrics = {
        "depth": ["mse", MeanSquaredError()],
        "semantic": [MulticlassJaccardIndex(3), "mean_iou"],
    }
    known: dict[str, Any] = {"metrics": metrics, "mutes": ["zero", "constant:0.5"], "draws": 20}
    return measure(toy(), data, **(known | options))


@pytest.mark.parametrize("options", [{"batch_size": 4}, {"batch_size": 1}, {"stream": True}])
def test_values_are_those_of_the_same_metric_of_the_library(
    toy_file: Path, options: dict[str, Any]
) -> None:
    found = run_stateful(batches() if "stream" in options else toy_file, **options)
    frame = found.influence[found.influence["level"] == "all"]
    index = ["mute", "source", "target"]
    for own, name in (("mse", "MeanSquaredError"), ("mean_iou", "MulticlassJaccardIndex")):
        one, other = (frame[frame["metric"] == n].set_index(index) for n in (own, name))
        assert len(one) == 4
        gap = one[["full", "muted", "omega"]] - other[["full", "muted", "omega"]]
        assert gap.abs().max().max() < 1e-5
        assert one[["higher_is_better", "n"]].equals(other[["higher_is_better", "n"]])
        assert other[UNKNOWN].isna().all(axis=None)
        assert one["omega_low"].notna().all()
        values = found.performance[found.performance["level"] == "all"]
        one, other = (values[values["metric"] == n].set_index(["mute", "setup"])
                      for n in (own, name))  # fmt: skip
        assert len(one) == 5
        assert (one["value"] - other["value"]).abs().max() < 1e-5
        assert other[["low", "high"]].isna().all(axis=None)


def test_said_in_the_notes_and_in_the_arguments(toy_file: Path) -> None:
    info = run_stateful(toy_file).info
    expected = "MeanSquaredError, MulticlassJaccardIndex: value only, no interval and no p-value"
    assert [note for note in info["notes"]["toy"] if note.startswith(expected)]
    (network,) = info["measured"]["networks"]
    assert network["metrics"] == {"depth": ["mse"], "semantic": ["mean_iou"]}
    assert network["stateful"]["semantic"] == ["MulticlassJaccardIndex"]


def test_alone(toy_file: Path, tmp_path: Path) -> None:
    whole = run_stateful(toy_file).influence
    found = run_stateful(toy_file, metrics={"depth": [MeanSquaredError()]})
    assert found.samples.empty
    assert found.influence["omega"].tolist() == (
        whole[whole["metric"] == "MeanSquaredError"]["omega"].tolist()
    )
    found.write(tmp_path)
    again = read_run(tmp_path)
    assert again.samples.empty
    assert again.influence["omega"].tolist() == pytest.approx(found.influence["omega"].tolist())


def test_interactions_are_those_of_the_same_metric_of_the_library(toy_file: Path) -> None:
    frame = run_stateful(toy_file, interactions=True).interactions
    frame = frame[frame["level"] == "all"]
    index = ["mute", "target", "kind", "players"]
    for own, name in (("mse", "MeanSquaredError"), ("mean_iou", "MulticlassJaccardIndex")):
        one, other = (frame[frame["metric"] == n].set_index(index) for n in (own, name))
        assert len(one) == len(other) == 2 * (3 * 2 + 1)
        assert (one["value"] - other["value"]).abs().max() < 1e-5
        assert other[["low", "high"]].isna().all(axis=None)
        assert one[["low", "high"]].notna().all(axis=None)


class Unreadable(EvaluationFile):
    """The user stops the program while the tenth sample is read."""

    def read(self, indices: NDArray[np.int64]) -> Batch:
        if 9 in indices:
            raise KeyboardInterrupt
        return super().read(indices)


def test_interrupted_run_is_not_gone_on_from(toy_file: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"mutes": ["zero"], "batch_size": 4}
    with pytest.raises(KeyboardInterrupt):
        run_stateful(Unreadable(toy_file), checkpointing=Checkpointing(tmp_path), **options)
    resumed = Checkpointing(tmp_path, resume=True)
    message = r"'MeanSquaredError' keeps its own state .* with resume=False"
    with pytest.raises(InfluenceError, match=message):
        run_stateful(toy_file, checkpointing=resumed, **options)
    afresh = run_stateful(toy_file, checkpointing=Checkpointing(tmp_path), **options)
    assert afresh.influence.equals(run_stateful(toy_file, **options).influence)


@pytest.mark.parametrize("stream", [False, True])
def test_several_processes_cannot_share_a_state(
    toy_file: Path, tmp_path: Path, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Processes, "broadcast", lambda self, value: value)
    monkeypatch.setattr(Processes, "barrier", lambda self: None)
    monkeypatch.setattr(Processes, "gather", lambda self, payload: [payload, payload])
    with pytest.raises(InfluenceError, match=r"'MeanSquaredError' .* by several processes"):
        run_stateful(toy_file, stream=stream, checkpointing=Checkpointing(tmp_path),
            processes=Processes(0, 2))  # fmt: skip
