"""What sites are worth together: end to end against shapiq, closed forms, streams, notes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import shapiq
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from influence.errors import InfluenceError
from influence.measurement.pipeline import measure
from influence.network.joint_network import JointNetwork, Modality
from influence.results.run_directory import Run
from influence.results.tables import INTERACTIONS_COLUMNS
from influence.statistics.coalitions import KINDS
from tests.toy import CLASSES, toy, write_toy_file

Batches = list[tuple[dict[str, Tensor], dict[str, Tensor]]]


class Mixed(nn.Module):
    """Two outputs of any number of inputs, mixed so that no effect is additive."""

    def __init__(self, count: int) -> None:
        super().__init__()
        stream = torch.Generator().manual_seed(count)
        self.weights = nn.Parameter(torch.randn(count, 5, generator=stream, dtype=torch.float64))

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        z = torch.cat([x @ w[:, None] for x, w in zip(inputs, self.weights, strict=True)], 1)
        product = torch.tanh(z[:, 0] * z[:, 1] + z.sum(1))
        return product + z[:, 0], torch.stack([z.sum(1), z.square().sum(1) - 1, product], 1)


def mixed(count: int) -> JointNetwork:
    names = tuple("abcdefghi"[:count])
    return JointNetwork(Mixed(count), names, ("y", "label"))


def mixed_data(count: int, samples: int = 40) -> Batches:
    stream = torch.Generator().manual_seed(1)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=stream, dtype=torch.float64)

    inputs = {name: draw(samples, 5) for name in "abcdefghi"[:count]}
    y, scores = Mixed(count)(*inputs.values())
    noise, labels = draw(samples), (scores + 2 * draw(samples, 3)).argmax(1)
    return [(inputs, {"y": (y + noise).detach(), "label": labels})]


METRICS = {"y": ["mse"], "label": ["mean_iou"]}


@pytest.fixture(scope="module")
def run() -> Run:
    return measure(
        mixed(3), mixed_data(3), mutes=["zero"], metrics=METRICS, draws=200, interactions=True
    )


def at(frame: pd.DataFrame, **wanted: str) -> pd.DataFrame:
    for column, value in wanted.items():
        frame = frame[frame[column] == value]
    return frame


def score(module: nn.Module, data: Batches, present: NDArray[np.bool_]) -> tuple[float, float]:
    """Run the network by hand, and return minus the mean square error and the mean IoU."""
    inputs, targets = data[0]
    shown = [x if here else x * 0 for x, here in zip(inputs.values(), present, strict=True)]
    with torch.inference_mode():
        y, logits = module(*shown)
    truth, guess = targets["label"], logits.argmax(1)
    ious = [
        ((truth == c) & (guess == c)).sum().double() / ((truth == c) | (guess == c)).sum()
        for c in range(3)
    ]
    return -float((y - targets["y"]).square().mean()), float(torch.stack(ious).mean())


@pytest.mark.parametrize(("which", "target"), [(0, "y"), (1, "label")])
def test_end_to_end_equal_to_shapiq_on_the_network_itself(
    run: Run, which: int, target: str
) -> None:
    module, data = Mixed(3).eval(), mixed_data(3)

    class Played(shapiq.Game):
        def __init__(self) -> None:
            super().__init__(n_players=3, normalize=False)

        def value_function(self, coalitions: NDArray[np.bool_]) -> NDArray[np.float64]:
            return np.array([score(module, data, present)[which] for present in coalitions])

    computer = shapiq.ExactComputer(Played(), n_players=3)
    single, pairs = computer("SV", 1), computer("SII", 2)
    found = at(run.interactions, target=target, level="all").set_index(["kind", "players"])["value"]
    for i, first in enumerate("abc"):
        assert found["shapley", first] == pytest.approx(float(single[(i,)]), abs=1e-9, rel=0)
        for j in range(i + 1, 3):
            name = f"{first}+{'abc'[j]}"
            assert found["interaction", name] == pytest.approx(
                float(pairs[(i, j)]), abs=1e-9, rel=0
            )
    empty, alone = (score(module, data, np.array(p))[which] for p in ([0, 0, 0], [0, 1, 0]))
    assert found["add_one_in", "b"] == pytest.approx(alone - empty, abs=1e-9, rel=0)


def test_leave_one_out_is_omega_with_its_interval(run: Run) -> None:
    found = at(run.interactions, kind="leave_one_out")
    joined = found.merge(
        run.influence, left_on=["players", "target", "metric", "level"],
        right_on=["source", "target", "metric", "level"],
    )  # fmt: skip
    assert len(joined) == len(found) == 3 * (1 + 4)
    for own, theirs in (("value", "omega"), ("low", "omega_low"), ("high", "omega_high")):
        np.testing.assert_allclose(joined[own], joined[theirs], rtol=0, atol=1e-14)


def test_table_has_all_kinds_at_all_levels(run: Run) -> None:
    frame = run.interactions
    assert tuple(frame.columns) == INTERACTIONS_COLUMNS
    assert list(frame["kind"].unique()) == list(KINDS)
    counts = frame.groupby(["target", "level", "kind"]).size()
    assert set(counts) == {3}
    assert set(at(frame, kind="interaction")["players"]) == {"a+b", "a+c", "b+c"}
    assert set(at(frame, target="label")["level"]) == {"all", "class:0", "class:1", "class:2"}
    assert (frame["low"] <= frame["high"]).all()
    assert frame[["low", "high"]].notna().all(axis=None)
    assert set(frame["n"]) == {40}


def test_classes_add_up_to_the_whole(run: Run) -> None:
    """Every quantity is linear in the metric, and mean IoU is the mean over the classes."""
    frame = at(run.interactions, target="label").set_index(["level", "kind", "players"])["value"]
    classes = (frame["class:0"] + frame["class:1"] + frame["class:2"]) / 3
    np.testing.assert_allclose(classes, frame["all"], atol=1e-12)


class Sum(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones((), dtype=torch.float64))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.weight * (x + y)


def test_interaction_of_a_sum_is_minus_twice_what_its_inputs_share() -> None:
    """Of y = x1 + x2 with the square error, v(S) = -E[sum of what is muted, squared].

    The pair's interaction is then -2 E[x1 x2], with the interval of that mean: redundancy where
    the sources agree, and synergy where they contradict each other.
    """
    stream = np.random.default_rng(0)
    x = stream.normal(size=(300, 1))
    y = 0.8 * x + 0.6 * stream.normal(size=(300, 1))
    for sign in (1, -1):
        net = JointNetwork(Sum(), ("x", "y"), ("t",))
        a, b = torch.from_numpy(x), torch.from_numpy(sign * y)
        frame = measure(
            net, [({"x": a, "y": b}, {"t": a + b})], mutes=["zero"], metrics={"t": ["mse"]},
            interactions=True,
        ).interactions  # fmt: skip
        (row,) = at(frame, kind="interaction").to_dict("records")
        shared = -2 * sign * x * y
        assert row["value"] == pytest.approx(shared.mean(), abs=1e-12)
        assert row["value"] * sign < 0
        half = 1.96 * shared.std(ddof=1) / np.sqrt(300)
        assert row["high"] - row["low"] == pytest.approx(2 * half, rel=0.15)
        shapley = at(frame, kind="shapley").set_index("players")["value"]
        for name, own in (("x", x), ("y", y)):
            expected = (own**2).mean() + sign * (x * y).mean()
            assert shapley[name] == pytest.approx(expected, abs=1e-12)


def test_shapley_values_share_out_what_all_sites_give(run: Run) -> None:
    frame = at(run.performance, level="all", target="y").set_index("setup")["value"]
    shapley = at(run.interactions, target="y", kind="shapley")["value"]
    assert shapley.sum() == pytest.approx(frame["none"] - frame["a+b+c"])


def test_stream_gives_the_same_values(run: Run) -> None:
    streamed = measure(
        mixed(3), mixed_data(3), mutes=["zero"], metrics=METRICS, draws=200, interactions=True,
        stream=True,
    )  # fmt: skip
    names = ["mute", "target", "level", "kind", "players"]
    assert streamed.interactions[names].equals(run.interactions[names])
    gap = streamed.interactions["value"] - run.interactions["value"]
    assert gap.abs().max() < 1e-12
    widths = [(r.interactions["high"] - r.interactions["low"]).mean() for r in (streamed, run)]
    assert widths[0] == pytest.approx(widths[1], rel=0.3)


def test_nothing_is_tabulated_unless_asked_for(toy_file: Path) -> None:
    plain = measure(toy(), toy_file, mutes=["zero"], draws=10)
    assert plain.interactions.empty
    assert tuple(plain.interactions.columns) == INTERACTIONS_COLUMNS
    assert plain.info["measured"]["interactions"] is False


def test_mute_that_is_not_defined_for_every_site_is_left_out(toy_file: Path) -> None:
    run = measure(toy(), toy_file, mutes=["zero", "uniform"], draws=10, interactions=True)
    assert set(run.interactions["mute"]) == {"zero"}
    assert set(run.influence["mute"]) == {"zero", "uniform"}
    (note,) = (note for note in run.info["notes"]["toy"] if "interactions" in note)
    assert note == "mute 'uniform' is not defined for every site: it has no interactions"
    assert set(at(run.interactions, target="semantic")["level"]) >= {f"class:{c}" for c in CLASSES}


def test_mutes_without_any_coalition_are_refused_before_measuring(
    toy_file: Path, reads: list[int]
) -> None:
    with pytest.raises(InfluenceError, match="for every site, and of the mutes uniform none is"):
        measure(toy(), toy_file, mutes=["uniform"], interactions=True)
    assert reads == []


def test_one_site_is_a_game_of_one(toy_file: Path) -> None:
    options: dict[str, Any] = {"mutes": ["uniform"], "draws": 10, "interactions": True}
    run = measure(toy(), toy_file, sites=["semantic"], **options)
    frame = at(run.interactions, level="all", target="depth", metric="rms")
    assert list(frame["kind"]) == list(KINDS[:3])
    omega = at(run.influence, level="all", target="depth", metric="rms")["omega"]
    assert frame["value"].tolist() == pytest.approx(omega.tolist() * 3)


def test_levels_are_those_of_omega(tmp_path: Path) -> None:
    path = write_toy_file(tmp_path / "a.h5", groups=["kitchen", "bath"] * 6 + ["bath"])
    run = measure(
        toy(), path, mutes=["zero"], draws=20, interactions=True, levels=["region", "group"]
    )
    index = ["target", "metric", "level", "source"]
    omegas = run.influence.set_index(index)["omega"]
    found = at(run.interactions, kind="leave_one_out").rename(columns={"players": "source"})
    assert {"region:border", "group:bath", "group:kitchen"} <= set(found["level"])
    values = found.set_index(index)["value"]
    pd.testing.assert_series_equal(
        values.sort_index(), omegas.sort_index(), check_names=False, rtol=0, atol=1e-12
    )


@pytest.fixture(scope="module")
def many() -> dict[str, Run]:
    """Nine sites: from a sample of the subsets, and from all of them."""
    options: dict[str, Any] = {"mutes": ["zero"], "metrics": {"y": ["mse"]}, "draws": 400}
    net, data = mixed(9), mixed_data(9, samples=60)
    return {
        kind: measure(net, data, setups=kind, interactions=True, **options)
        for kind in ("each", "all")
    }


def test_many_sites_are_sampled_and_their_intervals_cover_the_exact_values(
    many: dict[str, Run],
) -> None:
    sampled, exact = (many[kind] for kind in ("each", "all"))
    setups = {kind: run.performance["setup"].nunique() for kind, run in many.items()}
    assert setups["each"] < setups["all"] == 2**9
    names = ["kind", "players"]
    assert sampled.interactions[names].equals(exact.interactions[names])
    for kind in KINDS:
        one, other = (at(run.interactions, kind=kind) for run in (sampled, exact))
        width, true_width = ((f["high"] - f["low"]).to_numpy() for f in (one, other))
        gap = (one["value"] - other["value"]).to_numpy()
        if kind in KINDS[:2]:  # every circle has all that these need
            assert np.abs(gap).max() < 1e-12
            np.testing.assert_allclose(width, true_width, rtol=1e-9)
        else:
            assert np.abs(gap).max() > 1e-6
            assert width.mean() > true_width.mean()
            inside = (one["low"].to_numpy() <= other["value"]) & (other["value"] <= one["high"])
            assert inside.mean() > 0.9


def test_sample_is_reported_in_a_note(many: dict[str, Run]) -> None:
    notes = {kind: [note for note in run.info["notes"]["network"] if "estimated from" in note]
             for kind, run in many.items()}  # fmt: skip
    (note,) = notes["each"]
    count = many["each"].performance["setup"].nunique()
    assert f"9 sites are estimated from {count} of 512 subsets" in note
    assert many["each"].info["measured"]["setups"] == "sampled"
    assert notes["all"] == []


def test_a_mute_for_some_sites_does_not_change_which_coalitions_are_sought() -> None:
    net, data = mixed(9), mixed_data(9)
    kinds = ["vector", "logits"] + ["vector"] * 7
    inputs = [Modality(m.name, kind) for m, kind in zip(net.inputs, kinds, strict=True)]
    net = JointNetwork(net.module, inputs, ("y", "label"))
    asked: dict[str, Any] = {"metrics": {"y": ["mse"]}, "draws": 20, "interactions": True}
    both, one = (measure(net, data, mutes=m, **asked) for m in (["uniform", "zero"], ["zero"]))
    assert len(one.interactions) == 3 * 9 + 36
    pd.testing.assert_frame_equal(both.interactions, one.interactions)
