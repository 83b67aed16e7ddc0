"""State dicts: what training code leaves in a file, and pickles that would run code."""

from __future__ import annotations

import argparse
import datetime
import io
import os
import pathlib
import subprocess
from collections import Counter, OrderedDict, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from influence.errors import InfluenceError
from influence.network.state_dicts import WRAPPERS, find_entries, read_pickle


def saved(content: Any, *, zipped: bool = True) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


WEIGHTS = {"weight": torch.arange(3.0)}


class Options:
    """A class of training code, which loading must not need."""

    def __init__(self) -> None:
        self.rate = 0.1

    def __setstate__(self, state: object) -> None:
        raise AssertionError("no method of the file's classes is called")


class Bunch(dict[str, Any]):
    """A dictionary with attributes, as several libraries have it."""

    def __init__(self, **values: Any) -> None:
        super().__init__(values)
        self.__dict__ = self


LEFT_BESIDE = {
    "namespace": argparse.Namespace(lr=1, path=pathlib.Path("x")),
    "path": pathlib.PurePosixPath("x"),
    "number": np.float64(0.5),
    "array": np.arange(3),
    "objects": np.array([{}], dtype=object),
    "date": datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC),
    "defaults": defaultdict(list, {"a": [1]}),
    "counts": Counter("aab"),
    "own class": Options(),
    "own dictionary": Bunch(a=1),
    "types": [int, dict, set()],
}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", LEFT_BESIDE)
def test_what_training_code_leaves_beside_weights_does_not_matter(name: str, zipped: bool) -> None:
    before = set(torch.serialization.get_safe_globals())
    content = read_pickle(saved({"args": LEFT_BESIDE[name], "model": WEIGHTS}, zipped=zipped))
    assert torch.equal(find_entries(content)["model"]["weight"], WEIGHTS["weight"])
    assert set(torch.serialization.get_safe_globals()) == before


class Runs:
    """Pickles as a call of a function."""

    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call[0], self.call[1:]


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("how", ["mkdir", "Popen", "exec", "getattr", "open"])
def test_no_function_in_a_pickle_runs(tmp_path: Path, how: str, zipped: bool) -> None:
    made = tmp_path / "made"
    call = {
        "mkdir": Runs(os.mkdir, str(made)),
        "Popen": Runs(subprocess.Popen, ["mkdir", str(made)]),
        "exec": Runs(exec, f"import os; os.mkdir({str(made)!r})"),
        "getattr": Runs(getattr, "text", "title"),
        "open": Runs(open, str(made), "w"),
    }[how]
    with pytest.raises(InfluenceError, match=r"it is a pickle that holds code .*not executed"):
        read_pickle(saved({"model": WEIGHTS, "args": call}, zipped=zipped))
    assert not made.exists()


def test_functions_of_other_packages_are_not_called(tmp_path: Path) -> None:
    made = tmp_path / "made.npy"
    call = Runs(np.save, str(made), np.ones(2))
    content = read_pickle(saved({"model": WEIGHTS, "args": call}))
    assert list(find_entries(content)) == ["model"]
    assert not made.exists()


def test_weights_in_a_dictionary_of_another_class_are_found() -> None:
    content = read_pickle(saved({"model": Bunch(**WEIGHTS), "args": Bunch(lr=1)}))
    assert torch.equal(find_entries(content)["model"]["weight"], WEIGHTS["weight"])


def test_a_pickled_module_is_refused_with_the_way_out() -> None:
    with pytest.raises(InfluenceError, match=r"torch\.nn\.modules\.linear\.Linear.*state_dict\(\)"):
        read_pickle(saved(nn.Linear(2, 2)))
    with pytest.raises(InfluenceError, match=r"model: torch\.nn\.modules\.linear\.Linear"):
        find_entries(read_pickle(saved({"model": nn.Linear(2, 2), "epoch": 3})))


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_usual_entries_are_found(wrapper: str) -> None:
    assert list(find_entries({"epoch": 3, wrapper: {"state_dict": WEIGHTS}})) == [
        f"{wrapper}.state_dict"
    ]


def test_usual_entries_come_first_in_their_order() -> None:
    content = {"other": WEIGHTS, "ema": WEIGHTS, "net": WEIGHTS, "state_dict": WEIGHTS}
    assert list(find_entries(content)) == ["state_dict", "net", "ema", "other"]


def test_a_state_dict_is_an_entry_and_numbers_beside_it_are_not() -> None:
    content = OrderedDict(WEIGHTS, epoch=3, lr=0.1)
    assert find_entries(content) == {"": WEIGHTS}


def test_states_of_optimisers_are_passed_over() -> None:
    module = nn.Linear(2, 2)
    optimiser = torch.optim.Adam(module.parameters())
    module(torch.ones(1, 2)).sum().backward()
    optimiser.step()
    content = {"optimizer": optimiser.state_dict(), "optimizer_states": [optimiser.state_dict()]}
    assert list(find_entries(content | {"model": module.state_dict()})) == ["model"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "one list"),
        ({"epoch": 3, "loss": 0.5}, "epoch: int; loss: float"),
        ({}, "nothing"),
        ({"weight": "text"}, "weight: str"),
    ],
)
def test_a_checkpoint_without_weights_is_described(content: Any, message: str) -> None:
    with pytest.raises(InfluenceError, match=f"holds no state dict, but {message}.*Save one"):
        find_entries(content)


def test_one_tensor_is_no_state_dict() -> None:
    with pytest.raises(InfluenceError, match="one Tensor"):
        find_entries(Tensor([1.0]))


def test_what_other_packages_trust_makes_no_difference() -> None:
    buffer = io.BytesIO()
    torch.save({"model": {"k": torch.ones(1)}, "best": defaultdict(list, {"a": [1]})}, buffer)
    with torch.serialization.safe_globals([defaultdict]):
        trusted = set(torch.serialization.get_safe_globals())
        found = read_pickle(buffer.getvalue())
        assert set(torch.serialization.get_safe_globals()) == trusted
    assert found["model"]["k"].item() == 1
