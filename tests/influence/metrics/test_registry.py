"""The registry of metrics: names, directions, defaults, and sets against the printed tables."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from torchmetrics import MeanSquaredError

from influence.data.dataset import Field
from influence.data.evaluation_file import EvaluationFile
from influence.display.notation import display_of
from influence.errors import InfluenceError
from influence.metrics.registry import (
    METRICS,
    default_metrics,
    expand_sets,
    find_metrics,
    match_metrics,
    of_kind,
    of_rows,
)
from influence.metrics.sets import SETS, spell_out
from influence.network.joint_network import JointNetwork, Output
from tests.toy import Toy, score

LABELS, CERTAIN = np.array([0, 1]), 50 * np.eye(2)
DEPTH = np.full((2, 3), 2.0)
PUBLISHED = Path(__file__).parents[3] / "reports" / "published"
HYBRIDNET = {"depth": list(SETS["hybridnet"].values), "semantic": list(SETS["hybridnet"].labels)}


@pytest.mark.parametrize(
    "name", [n for n, m in METRICS.items() if not m.needs_range and m.needs_truth]
)
def test_direction_points_to_the_perfect_prediction(name: str) -> None:
    metric = METRICS[name]
    if metric.statistic.reads == "labels":
        classes = ("other", "floor")
        perfect = score(metric, CERTAIN, LABELS, classes=classes)
        spoilt = score(metric, CERTAIN[[1, 0]], LABELS, classes=classes)
    elif metric.statistic.reads == "multilabel":
        truth = np.array([[0, 1, 1], [1, 0, 1]])
        perfect = score(metric, 100.0 * truth - 50, truth, kind="multilabel")
        spoilt = score(metric, 50.0 - 100 * truth[:, [1, 2, 0]], truth, kind="multilabel")
    else:
        perfect, spoilt = score(metric, DEPTH, DEPTH), score(metric, DEPTH * [0.3, 1, 3], DEPTH)
    assert perfect == pytest.approx(1.0 if metric.higher_is_better else 0.0, abs=1e-12)
    assert (perfect > spoilt) is metric.higher_is_better


def test_unknown_name_is_refused_with_the_near_one() -> None:
    with pytest.raises(InfluenceError, match="unknown metric 'mean_iuo': did you mean 'mean_iou'"):
        find_metrics(["mean_iuo"])


@pytest.mark.parametrize("names", [[], ["rms", "rms"]])
def test_metrics_must_differ_and_be_there(names: list[str]) -> None:
    with pytest.raises(InfluenceError, match=r"expected (metrics that differ|one metric or more)"):
        find_metrics(names)


@pytest.mark.parametrize(
    ("output", "field", "first"),
    [
        (Output("y", "depth"), Field((2, 2), False), "abs_rel"),
        (Output("y", "logits"), Field((2, 2), True), "mean_iou"),
        (Output("y", "probabilities"), Field((), True), "accuracy"),
        (Output("y"), Field((2, 2), True), "mean_iou"),
        (Output("y"), Field((2, 2), False), "mse"),
        (Output("y", "image"), Field((3, 2, 2), True), "mse"),
        (Output("y", "multilabel"), Field((4,), True), "label_accuracy"),
        (Output("y", "multilabel"), Field((4,), False), "label_accuracy"),
    ],
)
def test_defaults_follow_the_kind_and_the_truth(output: Output, field: Field, first: str) -> None:
    assert default_metrics(output, field)[0].name == first


def printed(name: str) -> list[dict[str, str]]:
    with (PUBLISHED / name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_labels_of_hybridnet_are_the_columns_of_its_first_table() -> None:
    columns = [c for c in printed("hybridnet_table1.csv")[0] if c not in ("method", "bold")]
    assert list(SETS["hybridnet"].labels.values()) == columns
    assert all(METRICS[name].higher_is_better for name in SETS["hybridnet"].labels)


def test_values_of_hybridnet_are_the_rows_of_its_second_table() -> None:
    directions = {
        row["metric"]: row["better"] == "higher" for row in printed("hybridnet_table2.csv")
    }
    found = {p: METRICS[name].higher_is_better for name, p in SETS["hybridnet"].values.items()}
    assert list(found.items()) == list(directions.items())


@pytest.mark.parametrize("method", ["HybridNet", "DepthNet [8]"])
def test_printed_scale_invariant_error_of_pooled_pixels_is_the_root(method: str) -> None:
    """D = mean d^2 - (mean d)^2 is at most mean d^2, the square of RMSE-log."""
    value = {row["metric"]: float(row[method]) for row in printed("hybridnet_table2.csv")}
    assert value["RMSE-log"] ** 2 < value["SIE"] < value["RMSE-log"]


def test_arora_prints_the_accuracy_that_counts_other() -> None:
    (column,) = [c for c in printed("arora_headline.csv")[0] if c != "classes"]
    first, second = SETS["arora"].labels.items()
    assert first == ("pixel_accuracy", column.removesuffix("_percent").replace("_", " "))
    assert second == ("pixel_accuracy_without_other", "")


def test_every_metric_of_a_set_is_known_and_shown_by_a_name_of_its_own() -> None:
    for known in SETS.values():
        assert known.names() == [*known.labels, *known.values]
        of_depth = [of_kind(METRICS[n], "depth") for n in known.values]
        assert {metric.statistic.name for metric in of_depth} <= {"depth_errors"}
        assert [metric.name for metric in of_depth] == list(known.values)
        assert all(display_of(name).definition for name in known.names())
    assert not SETS.keys() & METRICS.keys()


def test_what_is_named_anyway_stands_where_it_is_named() -> None:
    assert spell_out(["arora", "mean_iou", "hybridnet"], "labels") == [
        "pixel_accuracy", "pixel_accuracy_without_other", "mean_iou", "class_accuracy",
    ]  # fmt: skip


def test_what_is_named_twice_stays_twice_for_the_error() -> None:
    assert spell_out(["rms", "rms"], "values") == ["rms", "rms"]


def test_objects_pass_as_they_are() -> None:
    own = MeanSquaredError()  # whose == makes another metric
    found = spell_out([own, "hybridnet"], "labels")
    assert found[0] is own
    assert found[1:] == list(SETS["hybridnet"].labels)


def test_without_a_part_a_set_is_all_of_its_metrics() -> None:
    assert spell_out(["hybridnet"]) == SETS["hybridnet"].names()


def unnamed() -> JointNetwork:
    """A network of whose outputs only the names are known."""
    return JointNetwork(Toy(), ("depth", "semantic"), ("depth", "semantic"))


@pytest.mark.parametrize("kinds", [True, False])
def test_an_output_gets_the_part_of_its_kind_or_of_its_truth(
    net: JointNetwork, toy_file: Path, kinds: bool
) -> None:
    wanted = {"depth": ["hybridnet"], "semantic": ["hybridnet"]}
    # Of an output that is not declared as depth, rms would be another metric than the set's.
    depth = [n if kinds or n != "rms" else "depth_rms" for n in HYBRIDNET["depth"]]
    found = expand_sets(net if kinds else unnamed(), EvaluationFile(toy_file), wanted)
    assert found == HYBRIDNET | {"depth": depth}


def test_no_choice_stays_none(net: JointNetwork, toy_file: Path) -> None:
    assert expand_sets(net, EvaluationFile(toy_file), None) is None


def test_a_set_without_such_metrics_is_refused(net: JointNetwork, toy_file: Path) -> None:
    with pytest.raises(InfluenceError, match="output 'depth' holds values, and the set 'arora'"):
        expand_sets(net, EvaluationFile(toy_file), {"depth": ["rms", "arora"]})


def test_where_one_metric_is_looked_up_a_set_is_refused() -> None:
    with pytest.raises(InfluenceError, match=r"got the set 'arora'\. Name one of pixel_accuracy, "):
        find_metrics(["arora"])
    with pytest.raises(InfluenceError, match="'hybirdnet': did you mean 'hybridnet'"):
        find_metrics(["hybirdnet"])


@pytest.mark.parametrize("kind", ["boxes", "text"])
def test_boxes_and_text_have_no_default_metrics(kind: str) -> None:
    with pytest.raises(
        InfluenceError, match=rf"kind '{kind}', which has no default metrics\. Give"
    ):
        default_metrics(Output("found", kind), Field((), False))


def test_rms_of_depth_is_that_of_the_publications() -> None:
    assert of_kind(METRICS["rms"], "depth").formula is METRICS["depth_rms"].formula
    assert of_kind(METRICS["rms"], "other") is METRICS["rms"]
    assert of_kind(METRICS["mse"], "depth") is METRICS["mse"]


def test_a_stored_rms_is_the_one_whose_rows_are_there() -> None:
    rms = METRICS["rms"]
    assert of_rows(rms, {"square_errors", "depth_errors"}) is rms
    assert of_rows(rms, {"errors", "depth_errors"}).statistic.name == "depth_errors"


def ranged(output: tuple[float, float] | None = None) -> JointNetwork:
    outputs = [Output("depth", range=output), Output("semantic", "probabilities")]
    return JointNetwork(Toy(), ("depth", "semantic"), outputs)


@pytest.mark.parametrize("name", ["psnr", "psnr_mean"])
def test_a_lacking_range_is_told_before_the_network_runs(toy_file: Path, name: str) -> None:
    wanted = {"depth": [name]}
    with pytest.raises(InfluenceError, match=rf"'depth': {name} needs the least and the greatest"):
        match_metrics(ranged(), EvaluationFile(toy_file), wanted)
    assert match_metrics(ranged((0, 9)), EvaluationFile(toy_file), wanted)[0]["depth"]
    with pytest.raises(InfluenceError, match="low < high, got"):
        match_metrics(ranged((9, 0)), EvaluationFile(toy_file), wanted)


def test_rms_of_depth_is_found_again() -> None:
    # As expected scores of a plan are measured first.
    depth = of_kind(METRICS["rms"], "depth")
    assert find_metrics([depth]) == [depth]
