"""Change metrics: closed forms, SciPy, and whole measurements without any ground truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import special, stats
from torch import Tensor, nn

from influence.data.dataset import Field
from influence.data.evaluation_writer import write_evaluation_file
from influence.errors import InfluenceError
from influence.measurement.pipeline import measure
from influence.metrics.change import CHANGE_METRICS
from influence.metrics.metric import Prediction
from influence.metrics.registry import METRICS
from influence.network.joint_network import JointNetwork, Modality, Output
from influence.results.run_directory import Run
from influence.runtime.execution import Execution
from tests.toy import Toy, batches, joint, toy, toy_arrays, write_toy_file

NAMES = [m.name for m in CHANGE_METRICS]
NOTHING = Field((0,), integer=False)


def change(
    name: str, full: Any, muted: Any, kind: str = "other", pixels: Tensor | None = None
) -> np.ndarray:
    """Return the rows of a change metric."""
    full, muted = torch.as_tensor(full), torch.as_tensor(muted)
    target, output = torch.empty(len(full), 0), Output("y", kind)
    reference = Prediction(full, target, output, NOTHING)
    prediction = Prediction(
        muted, target, output, NOTHING, reference=reference, pixels=pixels
    )  # fmt: skip
    return METRICS[name].statistic.update(prediction).numpy()


def value(name: str, *arguments: Any, **options: Any) -> float:
    return float(METRICS[name].formula(change(name, *arguments, **options).sum(0)))


def drawn() -> tuple[np.ndarray, np.ndarray]:
    """Logits of 5 classes on 3 x 4 pixels, two of each."""
    full, muted = np.random.default_rng(0).normal(scale=2, size=(2, 2, 5, 3, 4))
    return full, muted


@pytest.mark.parametrize("kind", ["logits", "probabilities"])
def test_divergence_agrees_with_scipy(kind: str) -> None:
    full, muted = drawn()
    p, q = special.softmax(full, axis=1), special.softmax(muted, axis=1)
    expected = stats.entropy(p, q, axis=1).mean()
    arguments = (p, q) if kind == "probabilities" else (full, muted)
    assert value("kl_divergence", *arguments, kind=kind) == pytest.approx(expected, rel=1e-12)


def test_divergence_of_two_classes_in_closed_form() -> None:
    """Logits (a, 0) against (0, 0): p log 2p + (1 - p) log 2(1 - p) with p = 1 / (1 + exp -a)."""
    p = 1 / (1 + np.exp(-1.5))
    expected = p * np.log(2 * p) + (1 - p) * np.log(2 * (1 - p))
    found = value("kl_divergence", [[1.5, 0.0]], [[0.0, 0.0]], kind="logits")
    assert found == pytest.approx(expected, abs=1e-7)


def test_divergence_from_a_certain_class_to_one_that_is_ruled_out_is_finite() -> None:
    found = value("kl_divergence", [[1.0, 0.0]], [[0.0, 1.0]], kind="probabilities")
    assert found == pytest.approx(12 * np.log(10))


def test_changed_labels_agree_with_numpy() -> None:
    full, muted = drawn()
    expected = (full.argmax(1) != muted.argmax(1)).mean()
    assert 0 < expected < 1
    assert value("changed_labels", full, muted) == expected


def test_relative_change_counts_where_the_full_value_is_positive() -> None:
    rows = change("relative_change", [[2.0, 4.0, 0.0, -1.0]], [[3.0, 1.0, 9.0, 9.0]], "depth")
    assert rows.tolist() == [[2.0, 0.5 + 0.75]]


def test_absolute_change_counts_everywhere() -> None:
    rows = change("absolute_change", [[2.0, 0.0], [1.0, 1.0]], [[1.5, -3.0], [1.0, 1.0]])
    assert rows.tolist() == [[2.0, 3.5], [2.0, 0.0]]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_changes_nothing(name: str) -> None:
    full = np.abs(drawn()[0])
    assert value(name, full, full.copy(), kind="logits") == 0.0


@pytest.mark.parametrize("name", NAMES)
def test_slice_counts_its_pixels_alone(name: str) -> None:
    full, muted = np.abs(drawn())
    pixels = torch.zeros(2, 3, 4, dtype=torch.bool)
    pixels[:, 1, 2:] = True
    found = change(name, full, muted, "logits", pixels)
    expected = change(name, full[:, :, 1:2, 2:], muted[:, :, 1:2, 2:], "logits")
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_slice_of_another_size_is_refused() -> None:
    with pytest.raises(InfluenceError, match=r"'y' has the shape \(3, 4\), .* levels \(6, 8\)"):
        change("changed_labels", *drawn(), pixels=torch.ones(2, 6, 8, dtype=torch.bool))


@pytest.mark.parametrize("name", ["kl_divergence", "changed_labels"])
@pytest.mark.parametrize("shape", [(2,), (2, 1, 3)])
def test_classes_are_needed(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(InfluenceError, match=r"'y'.* two classes or more.* relative_change"):
        change(name, np.ones(shape), np.ones(shape))


class Sum(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + 2 * y


def test_omega_of_a_sum_is_what_was_taken_away(tmp_path: Path) -> None:
    x, y = np.random.default_rng(1).normal(size=(2, 30, 4))
    write_evaluation_file(tmp_path / "a.h5", inputs={"x": x, "y": y}, targets={})
    net = JointNetwork(Sum().double(), ("x", "y"), ("total",))
    run = measure(net, tmp_path / "a.h5", mutes=["zero", "constant:1"], draws=200, batch_size=7)
    frame = run.influence
    rows = {(r["mute"], r["source"]): r for r in frame.to_dict("records")}
    for mute, by in (("zero", 0.0), ("constant:1", 1.0)):
        for source, lost in (("x", np.abs(x - by)), ("y", 2 * np.abs(y - by))):
            row = rows[mute, source]
            assert row["metric"] == "absolute_change"
            assert (row["full"], row["muted"]) == (0.0, row["omega"])
            assert row["omega"] == pytest.approx(lost.mean(), abs=1e-6)
            assert row["omega_low"] < row["omega"] < row["omega_high"]
    assert frame[["p_value", "p_holm"]].isna().all(axis=None)
    full = run.performance[run.performance["setup"] == "x+y"]
    assert full[["value", "low", "high"]].eq(0).all(axis=None)
    (note,) = [n for n in run.info["notes"]["network"] if "ground truth" in n]
    assert "output 'total' has no ground truth in" in note
    assert "holds []: it is scored by how much it changes" in note


def without_truth() -> list[Any]:
    return [(inputs, {}) for inputs, _ in batches()]


@pytest.mark.parametrize("stream", [False, True])
def test_unlabelled_data_in_memory_and_in_streams(toy_file: Path, stream: bool) -> None:
    """All pixels count, those without ground truth too."""
    options: dict[str, Any] = {"mutes": ["zero", "shuffle"] if not stream else ["zero"]}
    options |= {"draws": 50, "batch_size": 4}  # as in `batches`: networks round by their size
    found = measure(toy(), without_truth(), **options, stream=stream)
    chosen = {"depth": ["relative_change"], "semantic": ["kl_divergence", "changed_labels"]}
    expected = measure(toy(), toy_file, **options, metrics=chosen)
    assert found.influence["metric"].tolist() == expected.influence["metric"].tolist()
    gap = found.influence["omega"] - expected.influence["omega"]
    assert gap.abs().max() < 1e-9
    assert (found.influence["omega"] > 0).all()


def test_agrees_with_hand_written_passes(toy_file: Path) -> None:
    module = Toy().eval()
    arrays = toy_arrays()["inputs"]
    inputs = {name: torch.from_numpy(array) for name, array in arrays.items()}
    with torch.inference_mode():
        full = [o.double().numpy() for o in module(**inputs)]
        muted = [o.double().numpy() for o in module(**inputs | {"depth": 0 * inputs["depth"]})]
    expected = {
        "relative_change": (np.abs(muted[0] - full[0]) / full[0]).mean(),
        "kl_divergence": stats.entropy(full[1], muted[1], axis=1).mean(),
        "changed_labels": (full[1].argmax(1) != muted[1].argmax(1)).mean(),
    }
    metrics = {"depth": ["rms", "relative_change"],
               "semantic": ["mean_iou", "kl_divergence", "changed_labels"]}  # fmt: skip
    alone = Execution(batch_size=1, share=False)
    for execution in (Execution(batch_size=4), Execution(batch_size=13), alone):
        run = measure(
            joint(module), toy_file, metrics=metrics, mutes=["zero"], draws=10, execution=execution
        )
        frame = run.influence[run.influence["source"] == "depth"].set_index("metric")
        for name, wanted in expected.items():
            assert frame.loc[name, "omega"] == pytest.approx(wanted, rel=1e-5)


def test_sample_without_truth_is_refused_by_others_only(tmp_path: Path) -> None:
    arrays = toy_arrays()
    arrays["targets"]["semantic"][6] = 255
    path = write_toy_file(tmp_path / "a.h5", **arrays)

    def run(*metrics: str) -> Run:
        return measure(toy(), path, metrics={"semantic": metrics}, mutes=["zero"], draws=10)

    assert set(run("kl_divergence").influence["n"]) == {13}
    with pytest.raises(InfluenceError, match="sample '6' has no valid ground truth"):
        run("kl_divergence", "mean_iou")


def test_outputs_with_and_without_truth_together() -> None:
    data = [(inputs, {"depth": targets["depth"]}) for inputs, targets in batches()]
    frame = measure(toy(), data, mutes=["zero"], draws=20).influence
    of_semantic = frame[frame["target"] == "semantic"]
    assert set(of_semantic["metric"]) == {"kl_divergence", "changed_labels"}
    assert "rms" in set(frame[frame["target"] == "depth"]["metric"])
    assert of_semantic["p_holm"].isna().all()
    assert frame[frame["target"] == "depth"]["p_holm"].notna().all()


def test_other_metrics_without_truth_stay_an_error() -> None:
    for metrics in ({"semantic": ["mean_iou"]}, {"semantic": ["tests.own_metrics:jaccard"]}):
        with pytest.raises(
            InfluenceError, match=r"predicts 'semantic', but .* for \[\], .* needs it.*kl_diverg"
        ):
            measure(toy(), without_truth(), metrics=metrics, mutes=["zero"])


def test_default_follows_the_kind() -> None:
    class Both(nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            return x + y, x * y

    outputs = [Output("d", "depth"), Output("v", "vector")]
    net = JointNetwork(Both(), [Modality("x"), Modality("y")], outputs)
    x = torch.rand(4, 3) + 0.5
    frame = measure(net, [({"x": x, "y": x}, {})], mutes=["zero"], draws=10).influence
    assert frame[["target", "metric"]].drop_duplicates().to_numpy().tolist() == [
        ["d", "relative_change"], ["v", "absolute_change"]
    ]  # fmt: skip
    half = frame[(frame["target"] == "d")]["omega"]  # x + x without one of them
    assert half.to_numpy() == pytest.approx(0.5)


def foreground(full: list[int], muted: list[int], classes: tuple[str, ...] = ()) -> float:
    """Score label maps of one sample, given as labels 0 to 2."""
    scores = [torch.eye(3)[torch.tensor([labels])].movedim(-1, 1) for labels in (full, muted)]
    target, output = torch.empty(1, 0), Output("y", "probabilities", classes)
    reference = Prediction(scores[0], target, output, NOTHING)
    prediction = Prediction(scores[1], target, output, NOTHING, reference=reference)
    metric = METRICS["changed_foreground"]
    return float(metric.formula(metric.statistic.update(prediction).numpy().sum(0)))


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        ((), 2 / 3),  # of places 2, 3 and 4, which one of both labels as 1 or 2
        (("wall", "floor", "Background"), 1 / 3),  # of places 0, 1, 2, 3, without change but in 3
    ],
)
def test_changed_foreground_counts_where_one_is_not_background(
    classes: tuple[str, ...], expected: float
) -> None:
    full, muted = [0, 0, 1, 0, 2], [0, 0, 1, 1, 1]
    if classes:
        full, muted = [0, 2, 1, 2, 2], [0, 2, 1, 1, 2]
    assert foreground(full, muted, classes) == pytest.approx(expected)


def test_nothing_but_background_has_no_foreground() -> None:
    assert np.isnan(foreground([0, 0, 0, 0, 0], [0, 0, 0, 0, 0]))


def test_a_class_that_is_ruled_out_adds_nothing_to_the_divergence() -> None:
    full, muted = drawn()
    expected = value("kl_divergence", full, muted, kind="logits")
    gone = np.full((2, 1, 3, 4), -np.inf)
    full, muted = np.concatenate([full, gone], axis=1), np.concatenate([muted, gone], axis=1)
    assert value("kl_divergence", full, muted, kind="logits") == pytest.approx(expected)


def test_one_channel_of_a_declared_kind_is_two_classes() -> None:
    p, q = np.array([[0.9], [0.2]]), np.array([[0.6], [0.7]])
    pairs = [(np.hstack([1 - x, x])) for x in (p, q)]
    for name in ("kl_divergence", "changed_labels"):
        expected = value(name, *pairs, kind="probabilities")
        assert value(name, p, q, kind="probabilities") == pytest.approx(expected)
