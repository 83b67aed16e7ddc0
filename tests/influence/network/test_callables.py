"""Networks that are no modules: functions of arrays, programs, and modules in wrappers."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from influence.errors import InfluenceError
from influence.measurement.pipeline import measure
from influence.network.callables import as_module, unwrapped
from influence.network.joint_network import JointNetwork, Output

STREAM = np.random.default_rng(0)
LEFT, RIGHT = (STREAM.normal(size=(40, n)).astype("float32") for n in (5, 3))
LABELS = STREAM.integers(0, 3, 40)
DATA = [({"x": torch.from_numpy(LEFT), "y": torch.from_numpy(RIGHT)},
         {"c": torch.from_numpy(LABELS)})]  # fmt: skip


class Joint(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(5, 3), nn.Linear(3, 3)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        found: Tensor = torch.tanh(self.left(x)) + self.right(y)
        return found


MODULE = Joint().eval()
WEIGHTS = {name: value.detach().numpy() for name, value in MODULE.named_parameters()}


def in_numpy(x: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
    """Compute what `Joint` computes."""
    assert isinstance(x, np.ndarray)
    left = np.tanh(x @ WEIGHTS["left.weight"].T + WEIGHTS["left.bias"])
    right = y @ WEIGHTS["right.weight"].T + WEIGHTS["right.bias"]
    return np.asarray(left + right)


def exported() -> torch.export.ExportedProgram:
    axes = {0: torch.export.Dim("samples")}
    examples = tuple(DATA[0][0].values())
    return torch.export.export(MODULE, examples, dynamic_shapes=(axes, axes))


def scripted() -> nn.Module:
    with pytest.warns(DeprecationWarning, match="torch.jit"):
        module: nn.Module = torch.jit.script(MODULE)
    return module


WAYS: dict[str, Callable[[], tuple[Any, bool]]] = {
    "numpy": lambda: (in_numpy, True),
    "a list of arrays": lambda: (lambda x, y: [in_numpy(x, y)], True),
    "a dictionary": lambda: (lambda x, y: {"c": in_numpy(x, y)}, True),
    "a function of tensors": lambda: (lambda x, y: MODULE(x, y), False),
    "tensors in, arrays out": lambda: (lambda x, y: in_numpy(x.numpy(), y.numpy()), False),
    "a method": lambda: (MODULE.forward, False),
    "a program": lambda: (exported(), False),
    "a program as a module": lambda: (exported().module(), False),
    "TorchScript": lambda: (scripted(), False),
    "compiled": lambda: (torch.compile(MODULE, backend="eager"), False),
    "parallel": lambda: (nn.DataParallel(MODULE), False),
}


def omegas(network: Any, arrays: bool = False) -> list[float]:
    net = JointNetwork(network, ["x", "y"], [Output("c", "logits")], arrays=arrays)
    run = measure(net, DATA, mutes=["zero", "shuffle"], metrics={"c": ["cross_entropy"]}, draws=10)
    found: list[float] = run.influence["omega"].tolist()
    return found


@pytest.mark.parametrize("way", WAYS)
def test_any_callable_is_measured_as_the_module_that_computes_the_same(way: str) -> None:
    network, arrays = WAYS[way]()
    assert omegas(network, arrays) == pytest.approx(omegas(MODULE), abs=1e-6)


def test_a_classifier_of_scikit_learn() -> None:
    fitted = LogisticRegression().fit(np.hstack([LEFT, RIGHT]), LABELS)

    def probabilities(x: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(fitted.predict_proba(np.hstack([x, y])))

    net = JointNetwork(probabilities, ["x", "y"], [Output("c", "probabilities")], arrays=True)
    run = measure(net, DATA, mutes=["zero"], metrics={"c": ["accuracy"]}, draws=10)
    right = {
        name: fitted.score(np.hstack([LEFT * (name != "x"), RIGHT * (name != "y")]), LABELS)
        for name in ("", "x", "y")
    }
    for source, omega in zip(run.influence["source"], run.influence["omega"], strict=True):
        assert omega == pytest.approx(right[""] - right[source])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64, torch.int64])
def test_arrays_have_the_types_of_the_tensors(dtype: torch.dtype) -> None:
    found = as_module(lambda x: np.stack([x, x]), arrays=True)(torch.ones(2, dtype=dtype))
    expected = torch.float32 if dtype == torch.bfloat16 else dtype  # NumPy has no bfloat16
    assert (found.dtype, found.tolist()) == (expected, [[1, 1], [1, 1]])


def test_an_array_that_must_not_be_written_becomes_a_tensor() -> None:
    constant = np.broadcast_to(np.float32(3), (2, 1))
    found = as_module(lambda x: constant, arrays=True)(torch.ones(2, 1))
    found += 1
    assert found.tolist() == [[4.0], [4.0]]
    assert constant.tolist() == [[3.0], [3.0]]


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Joint, "got the class Joint. Give an object"),
        (3, "got 3"),
        (MODULE.state_dict(), "expected a module"),
    ],
)
def test_what_cannot_be_called_is_refused(network: Any, message: str) -> None:
    with pytest.raises(InfluenceError, match=message):
        JointNetwork(network, ["x"], ["y"])


def test_a_program_for_one_number_of_samples_is_refused() -> None:
    program = torch.export.export(MODULE, (torch.ones(2, 5), torch.ones(2, 3)))
    with pytest.raises(InfluenceError, match=r"takes 2 samples only.*dynamic_shapes=\{'x': \{0:"):
        JointNetwork(program, ["x", "y"], ["c"])


def test_an_array_of_objects_is_refused() -> None:
    with pytest.raises(InfluenceError, match="an array of object, expected numbers"):
        as_module(lambda x: np.array([None]), arrays=True)(torch.ones(1))


def test_a_copy_shares_the_function() -> None:
    class Session:
        def __call__(self, x: NDArray[Any]) -> NDArray[Any]:
            return x

        def __deepcopy__(self, memo: object) -> Session:
            raise AssertionError("sessions cannot be copied")

    module = as_module(Session(), arrays=True)
    assert copy.deepcopy(module).function is module.function


def test_wrappers_are_taken_off() -> None:
    plain = nn.Linear(1, 1)
    assert unwrapped(nn.DataParallel(plain)) is plain
    compiled: Any = torch.compile(nn.DataParallel(plain), backend="eager")
    assert unwrapped(compiled) is plain
    assert unwrapped(plain) is plain


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64, torch.float32])
def test_inputs_get_the_floating_type_of_the_weights(dtype: torch.dtype) -> None:
    net = JointNetwork(nn.Sequential(nn.Embedding(3, 2), nn.BatchNorm1d(2)).to(dtype), "x", "y")
    assert net.dtype == dtype
    assert JointNetwork(nn.Flatten(), "x", "y").dtype == torch.float32
