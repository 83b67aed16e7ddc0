"""Which metrics of a set an output gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from influence.data.evaluation_file import EvaluationFile
from influence.errors import InfluenceError
from influence.metrics.matching import expand_sets
from influence.metrics.registry import find_metrics
from influence.metrics.sets import SETS
from influence.network.joint_network import JointNetwork
from tests.toy import Toy

HYBRIDNET = {"depth": list(SETS["hybridnet"].values), "semantic": list(SETS["hybridnet"].labels)}


def unnamed() -> JointNetwork:
    """A network of whose outputs only the names are known."""
    return JointNetwork(Toy(), ("depth", "semantic"), ("depth", "semantic"))


@pytest.mark.parametrize("kinds", [True, False])
def test_an_output_gets_the_part_of_its_kind_or_of_its_truth(
    net: JointNetwork, toy_file: Path, kinds: bool
) -> None:
    wanted = {"depth": ["hybridnet"], "semantic": ["hybridnet"]}
    assert expand_sets(net if kinds else unnamed(), EvaluationFile(toy_file), wanted) == HYBRIDNET


def test_no_choice_stays_none(net: JointNetwork, toy_file: Path) -> None:
    assert expand_sets(net, EvaluationFile(toy_file), None) is None


def test_a_set_without_such_metrics_is_refused(net: JointNetwork, toy_file: Path) -> None:
    with pytest.raises(InfluenceError, match="output 'depth' holds values, and the set 'arora'"):
        expand_sets(net, EvaluationFile(toy_file), {"depth": ["rms", "arora"]})


def test_where_one_metric_is_looked_up_a_set_is_told_apart() -> None:
    with pytest.raises(InfluenceError, match=r"got the set 'arora'\. Name one of pixel_accuracy, "):
        find_metrics(["arora"])
    with pytest.raises(InfluenceError, match="'hybirdnet': did you mean 'hybridnet'"):
        find_metrics(["hybirdnet"])
