from __future__ import annotations

import numpy as np
import pytest

from experiments.training.single_task import (
    folds_of,
    parts_of,
    single_task_folder,
    train_single_task,
)
from experiments.training.study import TASKS, Study
from influence.errors import InfluenceError


def test_folds_are_even_and_fixed_by_the_seed() -> None:
    folds = folds_of(795, 3, seed=0)
    assert np.bincount(folds).tolist() == [265, 265, 265]
    np.testing.assert_array_equal(folds, folds_of(795, 3, seed=0))
    assert not np.array_equal(folds, folds_of(795, 3, seed=1))


def test_every_part_was_trained(study: Study) -> None:
    assert parts_of(study) == ("full", "fold0", "fold1")
    for task in TASKS:
        for part in parts_of(study):
            assert (single_task_folder(study, task, part) / "weights.safetensors").is_file()


def test_unknown_names_are_refused(study: Study) -> None:
    with pytest.raises(InfluenceError, match="did you mean 'depth'"):
        train_single_task(study, "dept", "full")
    with pytest.raises(InfluenceError, match="fold0"):
        train_single_task(study, "depth", "fold9")
