"""A policy: an action from the room, which is a number of a list, and from sensors."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

import influence
from experiments.networks_of_users.kind import Kind, Score, cut
from influence import Modality, Output, Run

__all__ = ["KIND", "data", "network"]

ROOMS, ACTIONS = 6, ("left", "right", "wait")


class Policy(nn.Module):
    """Logits of actions, and the value of the state, from a dictionary of observations."""

    def __init__(self) -> None:
        super().__init__()
        self.room = nn.Embedding(ROOMS, 4)
        self.body = nn.Sequential(nn.Linear(4 + 5, 16), nn.Tanh())
        self.actor, self.critic = nn.Linear(16, len(ACTIONS)), nn.Linear(16, 1)

    def forward(self, observation: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return logits (B, actions) and values (B,)."""
        features = self.body(torch.cat([self.room(observation["room"]), observation["sensors"]], 1))
        return 2 * self.actor(features), self.critic(features).squeeze(1)


def network() -> Policy:
    """Make the policy, with random weights."""
    torch.manual_seed(0)
    return Policy().eval()


def data(samples: int) -> list[Any]:
    """Return steps of episodes: observations, the expert's action, the return, the episode."""
    stream = torch.Generator().manual_seed(17)
    steps = []
    for episode, part in enumerate(cut(samples, 10)):
        count = len(part)
        observation = {
            "room": torch.randint(0, ROOMS, (count,), generator=stream),
            "sensors": torch.randn(count, 5, generator=stream),
        }
        action = torch.randint(0, len(ACTIONS), (count,), generator=stream)
        steps.append((observation, action, torch.randn(count, generator=stream), [episode] * count))
    return steps


def user_code(network: Any, data: Any) -> Run:
    """Mute the room by the commonest one, the sensors by zero and mean."""
    net = influence.JointNetwork(
        network,
        [Modality("room", "categories"), Modality("sensors", "vector")],
        [Output("action", "logits", classes=ACTIONS), Output("value")],
        call="mapping",
    )
    fields: dict[str, str | int] = {"inputs/room": "0.room", "inputs/sensors": "0.sensors"}
    fields |= {"targets/action": 1, "targets/value": 2, "groups": 3}
    return influence.measure(net, data, fields=fields)


def score(network: Any, data: Any, source: str, mute: str) -> Score:
    """Act at every step."""
    rooms = torch.cat([step[0]["room"] for step in data])
    sensors = torch.cat([step[0]["sensors"] for step in data])
    right, loss, square, absolute = 0, 0.0, 0.0, 0.0
    for observation, action, value, _ in data:
        shown = dict(observation)
        if source == "room":
            assert mute == "mode"
            shown["room"] = torch.full_like(shown["room"], int(rooms.mode().values))
        elif source == "sensors":
            blank = torch.zeros_like(shown["sensors"])
            shown["sensors"] = blank + sensors.mean(0) if mute == "mean" else blank
        with torch.inference_mode():
            logits, found = (x.double() for x in network(shown))
        right += int((logits.argmax(1) == action).sum())
        loss += float(nn.functional.cross_entropy(logits, action, reduction="sum"))
        square += float((found - value).square().sum())
        absolute += float((found - value).abs().sum())
    count = len(rooms)
    return {
        ("action", "accuracy"): right / count,
        ("action", "cross_entropy"): -loss / count,
        ("value", "mse"): -square / count,
        ("value", "mae"): -absolute / count,
    }


KIND = Kind(
    "policy with integers and floats",
    (),
    network,
    data,
    user_code,
    score,
    inputs="room (one integer), sensors (5)",
    samples=60,
    note="steps of an episode are one group; the room is one integer a step",
)
