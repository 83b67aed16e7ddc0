from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from experiments.training import fitting
from experiments.training.augmentation import affine_mix, color_aug
from experiments.training.fitting import ShuffledEpochs, held_out_images, load_weights
from influence.errors import InfluenceError
from tests.experiments.training.tiny import Tiny, TinyConfig, train_tiny


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    x, y = one.state_dict(), other.state_dict()
    return all(torch.equal(x[name], y[name]) for name in x)


def history(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "history.csv").read_text().splitlines()))


def test_a_resumed_run_gives_the_weights_and_the_history_of_an_uninterrupted_one(
    tmp_path: Path,
) -> None:
    config = TinyConfig(normalised=True, dropout=0.5)
    changes = (affine_mix, color_aug)
    whole = train_tiny(tmp_path / "whole", config=config, changes=changes, held_out=0.25)
    for stop_after in (1, 1, None):
        parts = train_tiny(
            tmp_path / "parts",
            config=config,
            changes=changes,
            held_out=0.25,
            stop_after=stop_after,
        )
    assert same_weights(whole, parts)
    assert history(tmp_path / "whole") == history(tmp_path / "parts")
    assert [float(row["epoch"]) for row in history(tmp_path / "whole")] == [1, 2, 3]
    assert all(np.isfinite(float(row["held_out_loss"])) for row in history(tmp_path / "whole"))


def test_the_seed_decides_the_weights(tmp_path: Path) -> None:
    one, again, other = (
        train_tiny(tmp_path / name, seed=seed, epochs=1)
        for name, seed in (("one", 5), ("again", 5), ("other", 6))
    )
    assert same_weights(one, again)
    assert not same_weights(one, other)


def test_an_interrupted_run_leaves_no_weights(tmp_path: Path) -> None:
    train_tiny(tmp_path / "run", stop_after=1)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["last.ckpt", "stamp.json"]


def test_a_finished_run_is_not_trained_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train_tiny(tmp_path / "run", epochs=1)
    before = (tmp_path / "run" / "weights.safetensors").read_bytes()
    capsys.readouterr()
    train_tiny(tmp_path / "run", epochs=1)
    assert capsys.readouterr().out == "run: already trained\n"
    assert (tmp_path / "run" / "weights.safetensors").read_bytes() == before


def test_a_run_does_not_go_on_with_another_recipe(tmp_path: Path) -> None:
    train_tiny(tmp_path / "run", stop_after=1)
    with pytest.raises(InfluenceError, match=r"recipe\.epochs: 3 there, 4 now.*delete"):
        train_tiny(tmp_path / "run", epochs=4)
    with pytest.raises(InfluenceError, match=r"data: None there, x now"):
        train_tiny(tmp_path / "run", facts={"data": "x"})
    with pytest.raises(InfluenceError, match="seed: 5 there, 6 now"):
        train_tiny(tmp_path / "run", seed=6)


def test_the_saved_weights_are_the_network_rounded_to_half_precision(tmp_path: Path) -> None:
    network = train_tiny(tmp_path / "run", epochs=1)
    loaded = Tiny()
    load_weights(loaded, tmp_path / "run" / "weights.safetensors")
    torch.testing.assert_close(loaded.first.weight, network.first.weight, rtol=2**-11, atol=1e-7)
    assert torch.equal(loaded.first.bias, network.first.bias)  # type: ignore[arg-type]
    assert load_file(tmp_path / "run" / "weights.safetensors")["head.weight"].dtype == torch.float16
    assert not loaded.training


def test_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(InfluenceError, match="no such weights"):
        load_weights(Tiny(), tmp_path / "weights.safetensors")


def test_a_small_limit_of_the_gradient_is_a_small_step(tmp_path: Path) -> None:
    torch.manual_seed(5)
    start = Tiny()
    clipped = train_tiny(tmp_path / "run", epochs=1, clip=1e-3)
    # 3 steps of momentum 0.9 with gradients of norm 1e-3: at most 0.05 * 1e-3 * (1 + 1.9 + 2.71)
    before, after = start.state_dict(), clipped.state_dict()
    moved = torch.stack([(after[name] - x).norm() for name, x in before.items()]).norm()
    assert 1e-6 < float(moved) <= 0.05 * 1e-3 * 5.61


def test_what_a_machine_cannot_do_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InfluenceError, match="batch of 4 cannot be shared evenly by 3"):
        train_tiny(tmp_path / "a", devices=3)
    with pytest.raises(InfluenceError, match="leave none"):
        train_tiny(tmp_path / "b", held_out=0.99)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InfluenceError, match="needs a CUDA device"):
        train_tiny(tmp_path / "c", precision="16-mixed")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(InfluenceError, match="expected 2 CUDA devices"):
        train_tiny(tmp_path / "d", devices=2)
    assert not any(tmp_path.iterdir())


def test_mixed_precision_trains_too(tmp_path: Path) -> None:
    plain = train_tiny(tmp_path / "plain", epochs=1)
    mixed = train_tiny(tmp_path / "mixed", epochs=1, precision="bf16-mixed")
    assert not same_weights(plain, mixed)
    torch.testing.assert_close(mixed.first.weight, plain.first.weight, rtol=0.05, atol=0.01)
    assert mixed.first.weight.dtype == torch.float32


def test_every_epoch_has_all_chosen_samples_in_an_order_of_its_own() -> None:
    chosen = np.arange(10, 19)
    sampler = ShuffledEpochs(chosen, seed=3)
    orders = []
    for epoch in (0, 1, 0):
        sampler.set_epoch(epoch)
        orders.append([index for index, _ in sampler])
    assert sorted(orders[0]) == sorted(orders[1]) == chosen.tolist()
    assert orders[0] != orders[1]
    assert orders[0] == orders[2]


@pytest.mark.parametrize(("count", "devices", "doubled"), [(12, 2, 0), (11, 2, 1), (2, 3, 1)])
def test_devices_share_every_batch(
    count: int, devices: int, doubled: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = [index for index, _ in ShuffledEpochs(np.arange(count), seed=1)]
    shares = []
    for device in range(devices):
        monkeypatch.setattr(fitting, "_place", lambda device=device: (device, devices))
        sampler = ShuffledEpochs(np.arange(count), seed=1)
        shares.append([index for index, _ in sampler])
        assert len(sampler) == len(shares[-1])
    together = np.array(shares).T.ravel().tolist()
    assert together == alone + alone[:doubled]


def test_the_held_out_images_are_a_tenth_and_the_same_for_every_network() -> None:
    watching = held_out_images(795, 0.1, seed=0)
    assert int(watching.sum()) == 80
    np.testing.assert_array_equal(watching, held_out_images(795, 0.1, seed=0))
    assert not np.array_equal(watching, held_out_images(795, 0.1, seed=1))


@pytest.mark.slow
def test_two_processes_give_the_weights_of_one_with_the_same_batches(tmp_path: Path) -> None:
    one = train_tiny(tmp_path / "one", held_out=0.25, count=16)
    train_tiny(tmp_path / "two", held_out=0.25, count=16, devices=2, stop_after=1)
    two = train_tiny(tmp_path / "two", held_out=0.25, count=16, devices=2)
    for name, value in one.state_dict().items():
        torch.testing.assert_close(two.state_dict()[name], value, rtol=1e-5, atol=1e-7)
    for first, second in zip(history(tmp_path / "one"), history(tmp_path / "two"), strict=True):
        for column in first:
            assert float(second[column]) == pytest.approx(float(first[column]), rel=1e-5)
    saved = Tiny()
    load_weights(saved, tmp_path / "two" / "weights.safetensors")
    torch.testing.assert_close(saved.first.weight, two.first.weight, rtol=2**-11, atol=1e-7)


def test_a_share_of_the_images_is_held_out() -> None:
    assert held_out_images(795, 0.1, seed=0).sum() == 80
