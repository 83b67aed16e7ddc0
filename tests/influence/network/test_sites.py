"""The names of sites; what hooks record and replace at edges; edges that never fire."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from influence.errors import InfluenceError
from influence.network.joint_network import JointNetwork
from influence.network.sites import (
    check_modules,
    edges_of,
    point_name,
    select_sites,
    site_of,
    tapped,
)


class Twice(nn.Module):
    """Calls one module twice, changes what it returns in place, and never calls another."""

    def __init__(self) -> None:
        super().__init__()
        self.enc, self.idle = nn.Linear(2, 2, bias=False), nn.Linear(2, 2)
        self.pair = Pair()

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.pair(self.enc(x).relu_(), self.enc(x + 1).relu_())["both"]
        return torch.cat([first, second], dim=1)


class Pair(nn.Module):
    def forward(self, a: Tensor, b: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        return {"both": (a + 1, b + 2)}


@pytest.mark.parametrize("number", [0, 1, 12])
def test_points_belong_to_their_edge(number: int) -> None:
    assert site_of(point_name("edge:a.b", number)) == "edge:a.b"


def test_every_call_and_every_tensor_is_seen_as_it_was() -> None:
    net, x = Twice(), torch.randn(3, 2)
    with torch.inference_mode(), tapped(net, edges_of(["edge:enc", "edge:pair"]), {}) as seen:
        plain = net(x)
    weight = net.enc.weight
    assert list(seen) == ["edge:enc", "edge:enc@1", "edge:pair", "edge:pair@1"]
    torch.testing.assert_close(seen["edge:enc"], x @ weight.T)  # before relu_ changed it
    torch.testing.assert_close(seen["edge:enc@1"], (x + 1) @ weight.T)
    torch.testing.assert_close(torch.cat([seen["edge:pair"], seen["edge:pair@1"]], 1), plain)
    assert torch.equal(net(x), plain), "no hook is left"


def test_a_point_is_replaced() -> None:
    net, x = Twice(), torch.randn(3, 2)
    with torch.inference_mode(), tapped(net, {"edge:enc": "enc"}, {
        "edge:enc": torch.full((3, 2), 5.0), "edge:enc@1": torch.full((3, 2), 7.0),
    }):  # fmt: skip
        assert net(x).tolist() == [[6.0, 6.0, 9.0, 9.0]] * 3


def test_an_edge_that_never_fires_is_an_error() -> None:
    net = Twice()
    with pytest.raises(InfluenceError, match="edge:idle never fired"), tapped(
        net, {"edge:idle": "idle"}, {}
    ):  # fmt: skip
        net(torch.ones(1, 2))
    assert not net.idle._forward_hooks


def test_an_edge_that_fires_less_often_when_muted_is_an_error() -> None:
    net = Twice()
    with pytest.raises(InfluenceError, match="fires 2 times when it is muted and 1 times"), tapped(
        net, {"edge:enc": "enc"}, {"edge:enc": torch.ones(1, 2)}
    ):  # fmt: skip
        net(torch.ones(1, 2))


def test_a_module_that_is_not_there() -> None:
    net = JointNetwork(Twice(), inputs=["x"], outputs=["y"])
    check_modules(net, ["enc", "pair"])
    with pytest.raises(InfluenceError, match="unknown module of network 'network' 'encc': did you"):
        check_modules(net, ["encc"])


def test_sites_keep_the_order_of_the_network() -> None:
    assert select_sites(["z", "x"], ["x", "y", "z"]) == ["x", "z"]
    assert select_sites(None, ["x", "y"]) == ["x", "y"]


def test_an_unknown_site_is_refused_and_the_nearest_one_named() -> None:
    with pytest.raises(InfluenceError, match="unknown site 'dpeth': did you mean 'depth'"):
        select_sites(["dpeth"], ["depth", "semantic"])
