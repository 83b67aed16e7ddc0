"""The influence of an internal edge: by a hand-written hook, by Captum, and by a closed form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from captum.attr import LayerFeatureAblation
from torch import Tensor, nn

from influence.data.derangement import pair_up, random_order
from influence.errors import InfluenceError
from influence.measurement.pipeline import measure
from influence.network.checkpoints import export_checkpoint, load_checkpoint
from influence.network.joint_network import JointNetwork
from influence.results.run_directory import Run
from influence.runtime.execution import Execution

SITES = ("x", "y", "edge:left", "edge:right.0", "edge:twin")


class Branches(nn.Module):
    """Two branches that meet in a sum, and a module that is called twice after it."""

    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Sequential(nn.Linear(3, 4), nn.ReLU(inplace=True))
        self.right = nn.Sequential(nn.Linear(3, 4), nn.ReLU(inplace=True))
        self.twin, self.head = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        met = self.left(x) + self.right(y)
        result: Tensor = self.head(self.twin(met) + self.twin(met.square()))
        return result


@pytest.fixture(scope="module")
def net() -> JointNetwork:
    torch.manual_seed(0)
    return JointNetwork(Branches().eval(), inputs=("x", "y"), outputs=("t",))


@pytest.fixture(scope="module")
def data() -> list[Any]:
    stream = torch.Generator().manual_seed(1)
    x, y, t = (torch.randn(30, k, generator=stream) for k in (3, 3, 2))
    return [({"x": x, "y": y}, {"t": t})]


@pytest.fixture(scope="module")
def program(net: JointNetwork, data: list[Any], tmp_path_factory: Any) -> JointNetwork:
    path = tmp_path_factory.mktemp("program") / "net.pt2"
    export_checkpoint(net, path, {name: x[:2] for name, x in data[0][0].items()})
    return load_checkpoint(path)


def omegas(run: Run) -> pd.Series:
    rows = run.influence[run.influence["metric"] == "mse"]
    return rows.set_index(["mute", "source"])["omega"]


def measured(net: JointNetwork, data: Any, sites: Sequence[str] = SITES, **options: Any) -> Run:
    known: dict[str, Any] = {"mutes": ["zero", "mean", "shuffle", "noise"], "draws": 20}
    return measure(net, data, sites=sites, batch_size=7, **(known | options))


def by_hand(net: JointNetwork, data: Any, path: str, replacement: Any) -> float:
    """Return what a hook of one line takes from the mean squared error, in double precision."""
    (inputs, targets), module = data[0], net.module.get_submodule(path)
    errors = []
    for hook in (lambda m, args, out: None, lambda m, args, out: replacement(out)):
        handle = module.register_forward_hook(hook)
        with torch.inference_mode(), handle:
            errors.append((net(inputs)["t"].double() - targets["t"].double()).square().mean())
    return float(errors[1] - errors[0])


@pytest.mark.parametrize("path", ["left", "right.0", "twin"])
def test_zero_and_mean_agree_with_a_hook(net: JointNetwork, data: list[Any], path: str) -> None:
    found = omegas(measured(net, data))
    clean: list[Tensor] = []
    handle = net.module.get_submodule(path).register_forward_hook(
        lambda m, args, out: clean.append(out.detach().clone())
    )
    net(data[0][0])
    handle.remove()
    calls = iter(clean)
    expected = by_hand(net, data, path, torch.zeros_like)
    assert found["zero", f"edge:{path}"] == pytest.approx(expected, rel=1e-6)
    expected = by_hand(net, data, path, lambda out: next(calls).mean(0).repeat(30, 1))
    assert found["mean", f"edge:{path}"] == pytest.approx(expected, rel=1e-5)


def test_a_batch_muted_by_zero_equals_that_of_a_hook_to_the_bit(
    net: JointNetwork, data: list[Any]
) -> None:
    run = measure(net, data, sites=["edge:left"], mutes=["zero"], batch_size=30, draws=10)
    rows = run.rows["network"]
    (key,) = (k for k in rows.values if k.condition.setup)
    handle = net.module.get_submodule("left").register_forward_hook(
        lambda m, args, out: torch.zeros_like(out)
    )
    with torch.inference_mode():
        outputs = net(data[0][0])["t"]
    handle.remove()
    expected = (outputs.double() - data[0][1]["t"].double()).square().sum(1).numpy()
    assert np.array_equal(rows.values[key][:, 1], expected)


def test_shuffle_shows_what_the_partner_has_there(net: JointNetwork, data: list[Any]) -> None:
    partner = pair_up(random_order(30, seed=0)).follows
    expected = by_hand(net, data, "left", lambda out: out[torch.from_numpy(partner)])
    assert omegas(measured(net, data))["shuffle", "edge:left"] == pytest.approx(expected, rel=1e-5)


def test_agrees_with_captum_on_a_batch(net: JointNetwork, data: list[Any]) -> None:
    inputs, targets = data[0]

    def score(x: Tensor, y: Tensor) -> Tensor:
        error = net.module(x, y).double() - targets["t"].double()
        total: Tensor = -error.square().mean().reshape(1)
        return total

    ablation = LayerFeatureAblation(score, net.module.get_submodule("left"))
    with torch.no_grad():
        found = ablation.attribute(
            (inputs["x"], inputs["y"]), layer_baselines=0,
            layer_mask=torch.zeros(1, 1, dtype=torch.long),
        )  # fmt: skip
    assert isinstance(found, Tensor)
    expected = float(found.flatten()[0])
    assert omegas(measured(net, data))["zero", "edge:left"] == pytest.approx(expected, abs=1e-6)


def test_every_way_gives_the_same(
    net: JointNetwork, program: JointNetwork, data: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hooks, the graph node by node, and the shared path of both; every subset of the sites."""
    plain = measured(net, data, setups="all")
    assert "too little work in common" in plain.info["paths"]["network"]
    alone = measured(program, data, setups="all", execution=Execution(share=False))
    runs = [measured(program, data, setups="all"), alone]
    monkeypatch.setattr("influence.engine.trial.WORTH_TRACING", -1.0)
    runs.append(measured(net, data, setups="all"))
    assert [run.info["paths"]["network"] for run in runs[::2]] == ["shared", "shared"]
    for run in runs:
        pd.testing.assert_series_equal(omegas(run), omegas(plain), rtol=1e-4, atol=1e-7)
        ours, theirs = (r.performance["value"] for r in (run, plain))
        np.testing.assert_allclose(ours, theirs, rtol=1e-4)
        both = run.distance.merge(plain.distance, on=["mute", "source", "place"])
        np.testing.assert_allclose(both["distance_x"], both["distance_y"], rtol=1e-3)
        assert len(both) == len(plain.distance) > 0


def test_the_tables_name_the_edge(net: JointNetwork, data: list[Any]) -> None:
    run = measured(net, data, sites=["edge:twin", "y"])
    assert run.influence.groupby("source")["site"].unique().map(list).to_dict() == {
        "y": ["input"], "edge:twin": ["edge"],
    }  # fmt: skip
    assert set(run.performance["setup"]) == {"x+y+edge:twin", "x+edge:twin", "x+y"}
    assert any("mean and std of edge:twin come from 30 samples" in note
               for note in run.info["notes"]["network"])  # fmt: skip


def test_a_network_with_one_input(data: list[Any]) -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).eval()
    net = JointNetwork(module, inputs=("x",), outputs=("t",))
    run = measure(net, data, sites=["edge:1"], mutes=["zero"], draws=20)
    expected = by_hand(net, data, "1", torch.zeros_like)
    assert omegas(run)["zero", "edge:1"] == pytest.approx(expected, rel=1e-6)
    with pytest.raises(InfluenceError, match="Name an internal edge as site: edge:MODULE"):
        measure(net, data, mutes=["zero"])


@pytest.mark.parametrize("kind", ["module", "program"])
@pytest.mark.parametrize(
    ("site", "error"),
    [
        ("edge:lefft", "unknown module .*'lefft': did you mean 'left'"),
        ("edge:", "expected edge:MODULE.PATH"),
        ("edge:a/b", "expected edge:MODULE.PATH"),
        ("left", "unknown site 'left'"),
    ],
)
def test_sites_that_are_none(
    net: JointNetwork, program: JointNetwork, data: list[Any], kind: str, site: str, error: str
) -> None:
    with pytest.raises(InfluenceError, match=error):
        measured(net if kind == "module" else program, data, sites=[site])


def test_edges_of_a_stream(program: JointNetwork, data: list[Any]) -> None:
    whole = measured(program, data, mutes=["zero", "shuffle"])
    streamed = measured(program, data, mutes=["zero"], stream=True)
    pd.testing.assert_frame_equal(
        streamed.distance, whole.distance[whole.distance["mute"] == "zero"].reset_index(drop=True)
    )
    pd.testing.assert_series_equal(omegas(streamed), omegas(whole).loc[["zero"]])
    with pytest.raises(InfluenceError, match="needs the mean of an internal edge, and a stream"):
        measured(program, iter(data), mutes=["noise"], stream=True, sites=["edge:left"])


class Turned(nn.Module):
    """A module in the middle returns its tensor with the samples last."""

    def __init__(self) -> None:
        super().__init__()
        self.turn, self.back = Turn(), Turn()

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        turned: Tensor = self.back(self.turn(x + y))[:, :2]
        return turned


class Turn(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.T


@pytest.mark.parametrize("kind", ["module", "program"])
@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"sites": ["edge:turn"], "mutes": ["mean"]}, "edge:turn: .*samples first"),
        ({"sites": ["edge:turn"], "mutes": ["zero"]}, "edge:turn: .*samples first"),
        ({"meeting": "turn", "sites": ["x"], "mutes": ["zero"]}, "turn: .*samples first"),
    ],
)
def test_a_tensor_without_the_samples_first_is_refused(
    data: list[Any], tmp_path: Any, kind: str, options: dict[str, Any], error: str
) -> None:
    net = JointNetwork(Turned().eval(), inputs=("x", "y"), outputs=("t",))
    if kind == "program":
        export_checkpoint(net, tmp_path / "net.pt2", {n: x[:2] for n, x in data[0][0].items()})
        net = load_checkpoint(tmp_path / "net.pt2")
    with pytest.raises(InfluenceError, match=error):
        measured(net, data, **options)
