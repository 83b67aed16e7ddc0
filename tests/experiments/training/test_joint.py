from __future__ import annotations

import csv

import numpy as np
import pytest
import torch
from torch import Tensor

from experiments.training.arrays import load_split
from experiments.training.joint import (
    JointTraining,
    PredictedMaps,
    held_out_images,
    joint_folder,
    load_joint,
    train_joint,
)
from experiments.training.predictions import predict_split
from experiments.training.study import JointRecipe, Study
from influence.errors import InfluenceError
from models.jrn import JRN, VARIANTS, jrn_loss


def test_training_leaves_weights_and_the_losses_of_every_epoch(study: Study) -> None:
    assert not load_joint(study, "cat1").training
    with open(joint_folder(study, "cat1") / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["epoch"]) for row in rows] == [1, 2]
    assert all(np.isfinite(float(row["held_out_loss"])) for row in rows)


def test_the_held_out_images_are_a_tenth_and_the_same_for_every_network() -> None:
    watching = held_out_images(795, 0.1, seed=0)
    assert int(watching.sum()) == 80
    np.testing.assert_array_equal(watching, held_out_images(795, 0.1, seed=0))
    assert not np.array_equal(watching, held_out_images(795, 0.1, seed=1))


def test_a_draw_mirrors_all_maps_together_and_a_number_does_not(study: Study) -> None:
    data = PredictedMaps(load_split(study, "train"), predict_split(study, "train"), np.arange(8))
    plain = data[3]
    mirrored = 0
    for seed in range(20):
        drawn = data[(3, np.random.SeedSequence(seed))]
        flipped = not torch.equal(drawn["depth"], plain["depth"])
        mirrored += flipped
        for name, x in plain.items():
            assert torch.equal(drawn[name], x.flip(-1) if flipped else x), name
    assert 0 < mirrored < 20


def test_the_loss_of_a_step_is_equation_1_in_train_mode(study: Study) -> None:
    data = PredictedMaps(load_split(study, "train"), predict_split(study, "train"), np.arange(8))
    batch: dict[str, Tensor] = {name: x[None] for name, x in data[0].items()}
    network = JRN(VARIANTS["cat5"])
    step = JointTraining(network, JointRecipe(), steps=10).training_step(batch)
    raw = network.train()(batch["depth"], batch["semantic"])
    expected = jrn_loss(raw, batch["true_depth"], batch["labels"])
    torch.testing.assert_close(step, expected)


def test_the_rate_falls_to_zero_along_a_cosine() -> None:
    training = JointTraining(JRN(VARIANTS["cat1"]), JointRecipe(rate=1e-3), steps=4)
    settings = training.configure_optimizers()
    rates = []
    for _ in range(5):
        rates.append(settings["optimizer"].param_groups[0]["lr"])
        settings["optimizer"].step()
        settings["lr_scheduler"]["scheduler"].step()
    expected = [1e-3 * (1 + np.cos(np.pi * step / 4)) / 2 for step in range(5)]
    assert rates == pytest.approx(expected, abs=1e-12)


def test_an_unknown_variant_is_refused(study: Study) -> None:
    with pytest.raises(InfluenceError, match="did you mean 'cat60'"):
        train_joint(study, "cat6")
