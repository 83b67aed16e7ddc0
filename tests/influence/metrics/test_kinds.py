"""Declared kinds against the values that networks return; minus infinity as a class ruled out."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from influence.errors import InfluenceError
from influence.metrics.kinds import faults, find_scores
from influence.network.joint_network import Output

LOGITS = 3 * torch.randn(4, 5, 6, generator=torch.Generator().manual_seed(0))
SOFT = LOGITS.softmax(1)
SIGMOID = LOGITS.sigmoid()


def found(values: Tensor, kind: str, reads: str = "labels", *, alone: bool = False) -> str:
    scores, note = find_scores(values, Output("y", kind), reads, alone=alone)  # type: ignore[arg-type]
    assert bool(note) == (kind not in ("logits", "probabilities") and scores == "probabilities")
    return scores


@pytest.mark.parametrize(
    ("values", "kind", "scores"),
    [
        (LOGITS, "logits", "logits"),
        (SOFT, "probabilities", "probabilities"),
        (SOFT.bfloat16().float(), "probabilities", "probabilities"),
        (LOGITS, "other", "logits"),
        (SOFT, "other", "probabilities"),
        (SIGMOID, "other", "logits"),  # between 0 and 1, but they do not sum to 1
        (SIGMOID, "logits", "logits"),
    ],
)
def test_scores_are_what_they_are_declared_or_look_like(
    values: Tensor, kind: str, scores: str
) -> None:
    assert found(values, kind) == scores


@pytest.mark.parametrize(
    ("values", "kind", "fault"),
    [
        (SOFT, "logits", r"declared as logits.*sum to 1.*Output\('y', 'probabilities'\)"),
        (LOGITS, "probabilities", r"declared as probabilities.*values from -.*'logits'"),
        (SIGMOID, "probabilities", "sum over the classes, axis 1, to .* and not to 1"),
        (torch.full((2, 3), torch.inf), "probabilities", "values from inf to inf"),
    ],
)
def test_what_cannot_be_as_declared_is_refused(values: Tensor, kind: str, fault: str) -> None:
    with pytest.raises(InfluenceError, match=fault):
        find_scores(values, Output("y", kind), "labels", alone=False)


def test_probabilities_may_be_zero_in_padding() -> None:
    padded = SOFT.clone()
    padded[:, :, :2] = 0
    assert found(padded, "probabilities") == "probabilities"


@pytest.mark.parametrize("kind", ["other", "probabilities"])
def test_one_channel_needs_no_sum(kind: str) -> None:
    assert found(SIGMOID[:, :1], kind, alone=True) == "probabilities"


def test_one_channel_of_logits_may_lie_between_0_and_1() -> None:
    assert found(SIGMOID[:, :1], "logits", alone=True) == "logits"
    assert found(LOGITS[:, :1], "other", alone=True) == "logits"


def test_labels_that_exclude_none_other_need_no_sum() -> None:
    assert found(SIGMOID, "multilabel", "multilabel") == "probabilities"
    assert found(LOGITS, "multilabel", "multilabel") == "logits"


def test_nan_is_left_to_the_check_for_it() -> None:
    spoilt = SOFT.clone()
    spoilt[0, 0, 0] = torch.nan
    assert found(spoilt, "probabilities") == "probabilities"


@pytest.mark.parametrize("logits", [True, False])
def test_minus_infinity_rules_out_a_class_of_logits_only(logits: bool) -> None:
    values = torch.zeros(5, 3, 2)
    values[1, 2] = -torch.inf  # a class that is ruled out
    values[2, :, 0] = -torch.inf  # all classes of a pixel
    values[3, 0, 0] = torch.inf
    values[4, 1] = -torch.inf
    values[4, 0, 0] = torch.nan
    expected = [1.0, 1.0 if logits else -1.0, -1.0, 0.0, 0.0]
    assert faults(values, logits=logits).squeeze(1).tolist() == expected


def test_one_number_a_sample_has_no_classes() -> None:
    assert faults(torch.tensor([0.0, -torch.inf]), logits=True).tolist() == [[1.0], [-1.0]]
