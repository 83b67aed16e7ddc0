"""The closed forms of every world: against what is measured, by hand, and by enumeration."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from experiments.ground_truth.discrete import DiscreteWorld
from experiments.ground_truth.gaussian import GaussianWorld
from experiments.ground_truth.simulation import MUTES
from experiments.ground_truth.world import ANSWER, World
from experiments.ground_truth.worlds import WORLDS, switched
from influence.measurement.pipeline import measure
from influence.plan.setups import FULL, choose_setups

DISCRETE = [world for world in WORLDS.values() if isinstance(world, DiscreteWorld)]
A, B, BOTH = frozenset("a"), frozenset("b"), frozenset("ab")


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_closed_form_is_what_many_samples_tend_to(world: World) -> None:
    drawn = world.draw(np.random.default_rng(1), np.arange(3000))
    run = measure(
        world.network(), [(drawn.inputs, {ANSWER: drawn.target})], metrics={ANSWER: world.metrics},
        mutes=MUTES, setups="all", draws=100, batch_size=3000, device="cpu", meeting="off",
    )  # fmt: skip
    for row in run.performance[run.performance["level"] == "all"].to_dict("records"):
        shown = set() if row["setup"] == "none" else set(row["setup"].split("+"))
        mute = "zero" if row["mute"] == "none" else row["mute"]
        true = world.value(row["metric"], mute, frozenset(world.sites) - shown)
        # Half an interval of 95% is two standard errors: this allows five to seven.
        reach = max(row["high"] - row["low"], 0.002) * 1.6
        assert row["value"] == pytest.approx(true, abs=reach), (row["mute"], row["setup"])


def test_linear_world_by_hand() -> None:
    # f - t = -(x0 - r0) - e: E = (mean of x0 - r0)^2 + var x0 + var r0 + var e.
    world = WORLDS["correlated"]
    assert world.value("mse", "zero", A) == pytest.approx(3.0**2 + 1 + 0.25)
    assert world.value("mse", "mean", A) == pytest.approx(1 + 0.25)
    assert world.value("mse", "noise", A) == pytest.approx(1 + 1 + 0.25)
    assert world.value("mse", "constant:1", BOTH) == pytest.approx((2 - 3) ** 2 + 2 + 1.2 + 0.25)
    assert world.value("mse", "noise", BOTH) == pytest.approx(2 + 1.2 + 2 + 0.25)
    assert world.value("mse", "shuffle", BOTH) == pytest.approx(2 * (2 + 1.2) + 0.25)
    assert world.value("rms", "mean", FULL) == pytest.approx(0.5)


def test_product_world_by_hand() -> None:
    # E[a^2 b^2] = 1 + 2 rho^2, and of another sample's product the mean is rho.
    world, both = WORLDS["synergistic"], 1 + 2 * 0.3**2
    assert world.value("mse", "zero", A) == pytest.approx(both + 0.25)
    assert world.value("mse", "shuffle", A) == pytest.approx(1 + both + 0.25)
    assert world.value("mse", "shuffle", BOTH) == pytest.approx(2 * both - 2 * 0.3**2 + 0.25)
    assert world.value("mse", "noise", BOTH) == pytest.approx(1 + both + 0.25)


def test_logical_worlds_by_hand() -> None:
    # p(a) = 0.6, p(b) = 0.45; right nine times of ten where the answer is the function's.
    xor = WORLDS["xor"]
    assert xor.value("accuracy", "zero", FULL) == pytest.approx(0.9)
    assert xor.value("accuracy", "zero", A) == pytest.approx(0.4 * 0.9 + 0.6 * 0.1)
    same = 0.6**2 + 0.4**2
    assert xor.value("accuracy", "shuffle", A) == pytest.approx(same * 0.9 + (1 - same) * 0.1)
    land = WORLDS["and"]  # p(a) = 0.6, p(b) = 0.55
    differ = 0.6 * 0.55
    assert land.value("accuracy", "zero", A) == pytest.approx((1 - differ) * 0.9 + differ * 0.1)


@pytest.mark.parametrize("world", DISCRETE, ids=lambda world: world.name)
@pytest.mark.parametrize("mute", ["zero", "mean", "constant:1"])
def test_discrete_world_by_running_the_network_on_every_state(
    world: DiscreteWorld, mute: str
) -> None:
    states = np.array(list(np.ndindex(world.chances.shape)))
    clean = {s: torch.from_numpy(states[:, i : i + 1]).float() for i, s in enumerate(world.sites)}
    mean, _ = world.moments()
    shown = {"zero": np.zeros_like(mean), "mean": mean, "constant:1": np.ones_like(mean)}[mute]
    for setup in choose_setups(world.sites, world.sites, "all"):
        inputs = {
            site: torch.full_like(clean[site], shown[i]) if site in setup else clean[site]
            for i, site in enumerate(world.sites)
        }
        answers = world.network()(inputs)[ANSWER].argmax(1).numpy()
        weights, truth = world.chances.ravel(), states[:, -1]
        right = weights[answers == truth].sum()
        assert np.trace(world.confusion(mute, setup)) == pytest.approx(right)
        ious = [
            weights[(answers == c) & (truth == c)].sum() / either
            for c in range(world.chances.shape[-1])
            if (either := weights[(answers == c) | (truth == c)].sum()) > 0
        ]
        assert world.value("mean_iou", mute, setup) == pytest.approx(np.mean(ious))


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_samples_of_a_group_are_alike_and_follow_the_same_law(world: World) -> None:
    groups = np.repeat(np.arange(2000), 2)
    drawn = world.draw(np.random.default_rng(2), groups)
    values = drawn.target.double().reshape(4000, -1).mean(1).numpy()
    assert np.corrcoef(values[::2], values[1::2])[0, 1] > 0.04
    alone = world.draw(np.random.default_rng(3), np.arange(4000)).target.double()
    assert values.mean() == pytest.approx(alone.mean().item(), abs=0.2 * alone.std().item())


def test_worlds_are_what_they_are_called() -> None:
    def worth(name: str, metric: str, *shown: str) -> float:
        value = WORLDS[name].value(metric, "zero", BOTH - set(shown))
        return value if metric == "accuracy" else -value

    def interaction(name: str, metric: str) -> float:
        return (
            worth(name, metric, "a", "b") - worth(name, metric, "a")
            - worth(name, metric, "b") + worth(name, metric)
        )  # fmt: skip

    assert interaction("unique", "mse") == pytest.approx(-2 * 1.0 * -0.5)  # by the means alone
    assert interaction("redundant", "mse") < -0.4
    assert interaction("synergistic", "mse") > 1
    assert interaction("redundant labels", "accuracy") < -0.3
    assert interaction("xor", "accuracy") > 0.1
    for name, metric in (("harmful", "mse"), ("harmful labels", "accuracy")):
        assert worth(name, metric, "a", "b") < worth(name, metric, "a")


def test_irrelevant_source_changes_answers_and_no_expectation() -> None:
    world = WORLDS["irrelevant labels"]
    for mute in MUTES:
        assert world.value("accuracy", mute, B) == pytest.approx(0.75)
    drawn = world.draw(np.random.default_rng(0), np.arange(200))
    clean = {name: x.float() for name, x in drawn.inputs.items()}
    muted = clean | {"b": torch.zeros_like(clean["b"])}
    answers = [world.network()(shown)[ANSWER].argmax(1) for shown in (clean, muted)]
    assert 10 < (answers[0] != answers[1]).sum() < 190


def test_switch_has_the_influence_that_its_views_differ_by() -> None:
    world = switched("switch", [0.3, 0.7], 0.6, 0.9)
    full, muted = (world.value("accuracy", "zero", setup) for setup in (FULL, B))
    assert full - muted == pytest.approx(0.6 * (0.9 - 0.6))


def test_level_keeps_rms_from_what_depth_metrics_cut_off() -> None:
    for world in WORLDS.values():
        if isinstance(world, GaussianWorld):
            drawn = world.draw(np.random.default_rng(0), np.arange(2000))
            inputs = {name: x.float() for name, x in drawn.inputs.items()}
            assert drawn.target.min() > 1
            assert world.network()(inputs)[ANSWER].min() > 1


def test_a_switch_mixes_the_accuracies_of_two_views() -> None:
    world = switched("switch", [0.5, 0.5], 0.7, 0.8)
    accuracy = world.value("accuracy", "zero", frozenset())
    assert accuracy == pytest.approx(0.6 * 0.8 + 0.4 * 0.7)
    assert world.value("accuracy", "zero", frozenset("b")) == pytest.approx(0.7)
