from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch

from experiments.training.arrays import load_split
from experiments.training.joint import PredictedMaps, joint_folder, load_joint, train_joint
from experiments.training.single_task import predict_split
from experiments.training.study import Study
from influence.errors import InfluenceError


def test_training_leaves_weights_and_the_losses_of_every_epoch(study: Study) -> None:
    assert not load_joint(study, "cat1").training
    with open(joint_folder(study, "cat1") / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["epoch"]) for row in rows] == [1, 2]
    assert all(np.isfinite(float(row["held_out_loss"])) for row in rows)


def test_a_draw_with_a_seed_mirrors_all_maps_together(study: Study) -> None:
    data = PredictedMaps(load_split(study, "train"), predict_split(study, "train"), study.joint)
    plain = data[(3, None)]
    mirrored = 0
    for seed in range(20):
        drawn = data[(3, np.random.SeedSequence(seed))]
        flipped = not torch.equal(drawn["depth"], plain["depth"])
        mirrored += flipped
        for name, x in plain.items():
            assert torch.equal(drawn[name], x.flip(-1) if flipped else x), name
    assert 0 < mirrored < 20


def test_an_unknown_variant_is_refused(study: Study) -> None:
    with pytest.raises(InfluenceError, match="did you mean 'cat60'"):
        train_joint(study, "cat6")


def test_a_recipe_for_pictures_is_refused(study: Study) -> None:
    study = replace(study, joint=replace(study.joint, zoom=1.4))
    with pytest.raises(InfluenceError, match=r"zoom = 1\.0"):
        train_joint(study, "cat1")
