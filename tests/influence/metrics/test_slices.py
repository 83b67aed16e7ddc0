"""Slices: what they follow, and that they are the metric of their pixels alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from torch import nn
from torchmetrics.classification import MulticlassJaccardIndex

from influence.data.dataset import Field
from influence.data.evaluation_file import EvaluationFile
from influence.errors import InfluenceError
from influence.measurement.pipeline import measure
from influence.metrics.slices import (
    DepthBins,
    Division,
    Regions,
    Slicing,
    cut_truth,
    match_slices,
    parse_levels,
)
from influence.network.joint_network import JointNetwork, Output
from influence.results.run_directory import Run
from influence.runtime.execution import Execution
from tests.own_metrics import own_mae
from tests.toy import Toy, joint, toy, toy_arrays, write_toy_file

BINS, REGIONS = DepthBins(), Regions()

DEPTH, LABELS = Field((5, 6), integer=False, unit="m"), Field((5, 6), integer=True)


@dataclass
class Data:
    """The facts of a data set."""

    targets: dict[str, Field]
    inputs: dict[str, Field] = field(default_factory=dict)
    name = source = sha256 = "the data"


def matched(
    targets: dict[str, Field], division: Division, *outputs: Output, scored: str = ""
) -> dict[str, str]:
    """Return the source by which each output is divided."""
    net = JointNetwork(nn.Identity(), ["x", "y"], list(outputs))
    names = scored.split() or [o.name for o in outputs]
    found = match_slices(net, Data(targets), [division], names)
    return {name: slicing.source for name, (slicing,) in found.items()}


def test_outputs_are_divided_by_maps_of_their_size() -> None:
    targets = {
        "depth": Field((1, 5, 6), integer=False),
        "semantic": LABELS,
        "normals": Field((3, 5, 6), integer=False),
        "coarse": Field((2, 3), integer=True),
        "scene": Field((), integer=True),
    }
    outputs = [Output(name, "depth" if name == "depth" else "other") for name in targets]
    divided = ("depth", "semantic", "normals")
    assert matched(targets, BINS, *outputs) == dict.fromkeys(divided, "depth")
    assert matched(targets, REGIONS, *outputs) == (
        dict.fromkeys(divided, "semantic") | {"coarse": "coarse"}
    )


def test_own_truth_comes_first() -> None:
    outputs = [Output("left", "depth"), Output("right", "depth"), Output("semantic", "logits")]
    targets = {"right": DEPTH, "left": DEPTH, "semantic": LABELS}
    assert matched(targets, BINS, *outputs) == {
        "left": "left", "right": "right", "semantic": "left"
    }  # fmt: skip


def test_truth_that_no_output_predicts_divides_too() -> None:
    targets = {"depth": DEPTH, "semantic": LABELS}
    assert matched(targets, BINS, Output("semantic", "logits")) == {"semantic": "depth"}


def test_only_scored_outputs_with_truth_are_divided() -> None:
    outputs = [Output("depth", "depth"), Output("semantic", "logits"), Output("flow")]
    targets = {"depth": DEPTH, "semantic": LABELS}
    assert matched(targets, BINS, *outputs, scored="semantic flow") == {"semantic": "depth"}


@pytest.mark.parametrize(
    ("targets", "division", "message"),
    [
        ({"semantic": LABELS}, BINS, r"level 'depth' needs depth maps .* holds \{'semantic': "),
        ({"depth": DEPTH}, REGIONS, "level 'region' needs label maps"),
        ({"depth": Field((), False)}, BINS, "needs depth maps"),
        ({"depth": LABELS}, BINS, "needs depth maps"),
        ({"depth": Field((5, 6), False, unit="mm")}, BINS, "in 'mm'; .* levels='depth=1000,2000"),
    ],
)
def test_data_that_cannot_be_divided(
    targets: dict[str, Field], division: Division, message: str
) -> None:
    with pytest.raises(InfluenceError, match=message):
        matched(targets, division, Output("depth", "depth"), Output("semantic", "logits"))


def test_named_edges_serve_any_unit() -> None:
    targets = {"depth": Field((5, 6), False, unit="mm")}
    assert matched(targets, DepthBins((900.0,)), Output("depth", "depth")) == {"depth": "depth"}


def test_truth_is_ignored_outside_the_slice_by_replacement() -> None:
    depth = torch.tensor([[[0.5, torch.nan], [1.5, 9.0]]])
    labels = torch.tensor([[[3, 4], [-1, 6]]])
    slicing = Slicing("depth", DepthBins((1.0,)), range=(0.1, 5.0))
    own = {name: [slicing] for name in ("depth", "labels", "vectors")}
    vectors = torch.full((1, 2, 2, 2), torch.inf)
    cuts = cut_truth(own, {"depth": depth, "labels": labels, "vectors": vectors})
    near, far = cuts["labels"]
    assert (near.level, far.level) == ("depth:0-1", "depth:1-inf")
    assert near.target.tolist() == [[[3, -1], [-1, -1]]]
    assert far.target.tolist() == [[[-1, -1], [-1, -1]]]  # 9 is out of range
    assert cuts["depth"][0].target.nan_to_num(0.0).tolist() == [[[0.5, 0.0], [0.0, 0.0]]]
    assert cuts["vectors"][0].target.isinf().int().tolist() == [[[[1, 0], [0, 0]]] * 2]
    assert near.truth_cache is not far.truth_cache


def test_maps_that_change_their_size_apart_are_refused() -> None:
    own = {"labels": [Slicing("depth", BINS)]}
    with pytest.raises(InfluenceError, match=r"targets/labels has maps of \(2, 3\) .* \(2, 2\)"):
        cut_truth(own, {"depth": torch.ones(1, 2, 2), "labels": torch.ones(1, 2, 3)})


METRICS: dict[str, Any] = {
    "depth": ["rms", "delta_1", "mae", own_mae, "absolute_change"],
    "semantic": ["mean_iou", "cross_entropy", "kl_divergence", "changed_labels"],
}

BY = "depth=2,3,region=1"


def run(data: Any, **options: Any) -> Run:
    known: dict[str, Any] = {"metrics": METRICS, "levels": BY, "mutes": ["zero"], "draws": 60}
    return measure(toy(), data, **(known | options))


def blocks() -> dict[str, Any]:
    """Return toy arrays of 20 x 24 pixels, in blocks of 4 x 4: regions have an interior."""
    return {
        part: {name: x.repeat(4, axis=-2).repeat(4, axis=-1) for name, x in arrays.items()}
        for part, arrays in toy_arrays(7).items()
    }


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_file(tmp_path_factory.mktemp("blocks") / "toy.h5", **blocks())


@pytest.fixture(scope="module")
def divided(path: Path) -> Run:
    return run(path, batch_size=4)


def masks() -> dict[str, np.ndarray]:
    """Return the pixels of each level, derived anew."""
    targets = blocks()["targets"]
    depth, labels = targets["depth"], targets["semantic"].astype(np.int64)
    labels[labels == 255] = -1
    around = np.pad(labels, ((0, 0), (1, 1), (1, 1)), constant_values=-1)
    border = np.zeros(labels.shape, bool)
    for dy, dx in np.ndindex(3, 3):
        other = around[:, dy : dy + 20, dx : dx + 24]
        border |= (labels >= 0) & (other >= 0) & (other != labels)
    with np.errstate(invalid="ignore"):
        return {
            "depth:0-2": depth < 2,
            "depth:2-3": (depth >= 2) & (depth < 3),
            "depth:3-inf": depth >= 3,
            "region:border": border,
            "region:interior": (labels >= 0) & ~border,
        }


def at(run: Run, level: str) -> pd.DataFrame:
    return run.influence[run.influence["level"] == level].reset_index(drop=True)


@pytest.mark.parametrize("level", masks())
def test_slice_is_the_metric_on_a_truth_that_holds_it_alone(
    divided: Run, tmp_path: Path, level: str
) -> None:
    """Measure the same network on a file whose truth was deleted elsewhere."""
    arrays, pixels = blocks(), masks()[level]
    assert pixels.any(axis=(1, 2)).all(), "each sample has a pixel, or it would be refused"
    arrays["targets"]["depth"] = np.where(pixels, arrays["targets"]["depth"], np.nan)
    arrays["targets"]["semantic"] = np.where(pixels, arrays["targets"]["semantic"], 255)
    path = write_toy_file(tmp_path / "toy.h5", **arrays)
    names = {o: [m for m in own if m not in ("kl_divergence", "changed_labels", "absolute_change")]
             for o, own in METRICS.items()}  # fmt: skip
    expected = at(run(path, metrics=names, levels=()), "all")
    found = at(divided, level)
    found = found[found["metric"].isin(expected["metric"])].reset_index(drop=True)
    numbers = ["full", "muted", "omega", "omega_low", "omega_high", "p_value"]
    assert found[["source", "target", "metric"]].equals(expected[["source", "target", "metric"]])
    np.testing.assert_allclose(found[numbers], expected[numbers], rtol=1e-9, atol=1e-12)
    assert found[numbers].notna().all(axis=None)


def test_slice_of_mean_iou_agrees_with_torchmetrics(divided: Run) -> None:
    arrays, module = blocks(), Toy().eval()
    with torch.inference_mode():
        shown = {n: torch.from_numpy(x) for n, x in arrays["inputs"].items()}
        _, full = module(**shown)
        _, muted = module(**shown | {"depth": 0 * shown["depth"]})
    for level, pixels in masks().items():
        labels = torch.from_numpy(np.where(pixels, arrays["targets"]["semantic"], 255)).long()
        values = [MulticlassJaccardIndex(3, ignore_index=255)(x, labels).item()
                  for x in (full, muted)]  # fmt: skip
        rows = at(divided, level)
        row = rows[(rows["metric"] == "mean_iou") & (rows["source"] == "depth")]
        assert row[["full", "muted"]].to_numpy()[0] == pytest.approx(values, abs=1e-6)


def test_changes_are_those_of_the_pixels_of_a_slice(divided: Run) -> None:
    module = Toy().eval()
    with torch.inference_mode():
        shown = {n: torch.from_numpy(x) for n, x in blocks()["inputs"].items()}
        full, muted = module(**shown), module(**shown | {"depth": 0 * shown["depth"]})
    gap = (muted[0] - full[0]).abs().squeeze(1).numpy()
    moved = (muted[1].argmax(1) != full[1].argmax(1)).numpy()
    for level, pixels in masks().items():
        rows = at(divided, level)
        omega = rows[rows["source"] == "depth"].set_index("metric")["omega"]
        assert omega["absolute_change"] == pytest.approx(gap[pixels].mean(), rel=1e-5)
        assert omega["changed_labels"] == pytest.approx(moved[pixels].mean(), rel=1e-9)


def test_counts_of_the_bins_add_up_to_the_whole(divided: Run) -> None:
    """Every pixel with a depth is in one bin, and every label in one region."""
    (rows,) = divided.rows.values()
    for output, statistic, prefix in (
        ("depth", "depth_errors", "depth:"), ("semantic", "class_counts", "region:")
    ):  # fmt: skip
        for condition in rows.conditions():
            own = {k.level: v for k, v in rows.values.items()
                   if k[:3] == (condition, output, statistic)}  # fmt: skip
            parts = [values for level, values in own.items() if level.startswith(prefix)]
            assert len(parts) in (2, 3)
            columns = slice(7 if prefix == "depth:" else None)  # but what is centred
            np.testing.assert_allclose(
                sum(p[:, columns] for p in parts), own["all"][:, columns], rtol=1e-9
            )


@pytest.mark.parametrize(
    "execution",
    [Execution(batch_size=1), Execution(batch_size=13), Execution(batch_size=5, workers=2)],
    ids=str,
)
def test_tables_do_not_depend_on_batch_size(divided: Run, path: Path, execution: Execution) -> None:
    found = run(path, execution=execution).influence
    numbers = found.select_dtypes("number").columns.drop("seed")
    np.testing.assert_allclose(found[numbers], divided.influence[numbers], rtol=1e-5, atol=1e-9)


def test_stream_gives_the_same_values(path: Path) -> None:
    samples = [EvaluationFile(path).read(np.array([i])) for i in range(7)]
    loose = [(sample.inputs, sample.targets) for sample in samples]
    frame = run(loose, stream=True).influence
    collected = run(path, batch_size=1).influence  # the network rounds by the size of its batches
    assert frame["level"].tolist() == collected["level"].tolist()
    columns = ["full", "muted", "omega"]
    np.testing.assert_allclose(frame[columns], collected[columns], rtol=1e-9, atol=1e-12)
    assert frame["omega_low"].notna().all()


def test_everything_else_stays_as_it_was(divided: Run, path: Path) -> None:
    plain = run(path, levels=(), batch_size=4)
    assert divided.samples.equals(plain.samples)
    for name in ("influence", "performance"):
        one, other = getattr(plain, name), getattr(divided, name)
        fine = other["level"].str.match("depth:|region:")
        assert fine.sum() == len(other[other["level"] == "all"]) * 5
        columns = one.columns.drop("p_holm", errors="ignore")  # of a larger family
        assert other[~fine].reset_index(drop=True)[columns].equals(one[columns])
    assert at(divided, "all")["p_holm"].equals(at(plain, "all")["p_holm"])


def test_what_is_outside_may_be_anything(tmp_path: Path) -> None:
    """A label map and a depth map that are valid in different pixels do not spoil each other."""
    arrays = toy_arrays()
    arrays["targets"]["depth"][:, :3] = np.nan
    found = run(write_toy_file(tmp_path / "toy.h5", **arrays)).influence
    assert found[["full", "muted", "omega"]].notna().all(axis=None)


def test_level_that_no_pixel_has_is_not_defined(toy_file: Path) -> None:
    frame = run(toy_file, levels=["depth=100"]).influence
    empty = frame[frame["level"] == "depth:100-inf"]
    assert len(empty) == len(frame[frame["level"] == "all"])
    unknown = ["full", "muted", "omega", "omega_low", "omega_high", "p_value", "p_holm"]
    assert empty[unknown].isna().all(axis=None)


def test_none_of_this_is_computed_unless_asked_for(
    toy_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("influence.metrics.slices.cut_truth", lambda *_: pytest.fail("was called"))
    (rows,) = run(toy_file, levels=()).rows.values()
    assert {key.level for key in rows.values} == {"all"}


def test_levels_are_among_the_arguments(divided: Run) -> None:
    assert divided.info["measured"]["levels"] == ["depth=2,3", "region=1"]


def test_networks_without_depth_are_divided_by_the_depth_of_the_data(toy_file: Path) -> None:
    class Semantic(Toy):
        def forward(self, depth: torch.Tensor, semantic: torch.Tensor) -> Any:
            return super().forward(depth, semantic)[1]

    net = JointNetwork(Semantic(), ["depth", "semantic"], [Output("semantic", "probabilities")])
    alone, both = (
        measure(n, toy_file, levels="depth", mutes=["zero"], draws=10).influence
        for n in (net, joint(Toy()))
    )
    both = both[both["target"] == "semantic"].reset_index(drop=True)
    assert alone["omega"].equals(both["omega"])
    assert alone["level"].str.startswith("depth:").any()


def test_bins_hold_their_lower_edge() -> None:
    depth = torch.tensor([[[0.5, 1.0, 1.99, 2.0, 100.0]]])
    masks = DepthBins((1.0, 2.0)).masks(depth)
    assert {level: mask.squeeze().int().tolist() for level, mask in masks.items()} == {
        "depth:0-1": [1, 0, 0, 0, 0],
        "depth:1-2": [0, 1, 1, 0, 0],
        "depth:2-inf": [0, 0, 0, 1, 1],
    }


def test_pixel_without_a_positive_depth_is_in_no_bin() -> None:
    depth = torch.tensor([[[torch.nan, 0.0, -1.0]]])
    assert not any(mask.any() for mask in DepthBins().masks(depth).values())


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6), radius=st.integers(1, 3))
def test_regions_agree_with_scipy(seed: int, radius: int) -> None:
    stream = np.random.default_rng(seed)
    labels = stream.integers(0, 3, (2, 3, 4)).repeat(3, axis=1).repeat(4, axis=2)
    labels[stream.random(labels.shape) < 0.2] = -1

    def differs(window: np.ndarray) -> bool:
        centre = window[len(window) // 2]
        return bool(centre >= 0 and (window[window >= 0] != centre).any())

    size = (1, 2 * radius + 1, 2 * radius + 1)
    border = ndimage.generic_filter(labels.astype(float), differs, size=size, cval=-1) > 0
    masks = Regions(radius).masks(torch.from_numpy(labels))
    np.testing.assert_array_equal(masks["region:border"], border)
    np.testing.assert_array_equal(masks["region:interior"], (labels >= 0) & ~border)


def test_map_smaller_than_the_window() -> None:
    masks = Regions(5).masks(torch.tensor([[[1, 1]], [[1, 0]]]))
    assert masks["region:border"].any(dim=2).squeeze().tolist() == [False, True]


def test_levels_are_read_from_a_text_or_a_sequence() -> None:
    joined = parse_levels("depth=0.5, 2,region,group")
    assert joined == parse_levels(["depth=0.5,2", "region=2", "group"])
    assert list(joined) == ["depth=0.5,2", "region=2", "group"]
    assert list(parse_levels(())) == list(parse_levels("")) == []
    assert list(parse_levels("depth")) == ["depth=1,2,3,5"]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("dept", "unknown level 'dept': did you mean 'depth'"),
        ("group=2", "unknown level 'group=2'"),
        ("depth,depth=1", r"levels that differ, got \['depth', 'depth'\]"),
        ("depth=2,1", r"increase, above 0, got \[2\.0, 1\.0\]"),
        ("depth=0,1", "increase, above 0"),
        ("depth=nan", "increase, above 0"),
        (["depth=1,x"], r"'depth=1,x': could not convert.*Such as depth=1,2,4"),
        ("region=0", "region=1 pixel or more, got 0"),
        ("region=1.5", "'region=1.5': invalid literal"),
    ],
)
def test_levels_that_cannot_be(wanted: str | list[str], message: str) -> None:
    with pytest.raises(InfluenceError, match=message):
        parse_levels(wanted)


def test_window_of_any_size() -> None:
    labels = torch.tensor([[[0, 0, 0, 0, 0, 1], [-1] * 6]])
    border = Regions(10**12).masks(labels)["region:border"]
    assert border.squeeze().int().tolist() == [[1] * 6, [0] * 6]


@pytest.mark.parametrize(
    "levels", ["depth=", "region=", "depth,,region", ",", "depth,", ["depth", ""]]
)
def test_levels_without_a_name_or_a_value_are_refused(levels: str | list[str]) -> None:
    with pytest.raises(InfluenceError, match="depth"):
        parse_levels(levels)
