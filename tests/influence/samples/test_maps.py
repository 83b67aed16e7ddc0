"""Maps of samples: what they add up to is what was measured, and by hand they are the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from influence.data.derangement import derange
from influence.data.evaluation_file import EvaluationFile
from influence.errors import InfluenceError
from influence.measurement.pipeline import measure
from influence.network.joint_network import JointNetwork
from influence.results.sample_maps import SampleMaps
from influence.samples.maps import Effect, map_samples
from tests.toy import CLASSES, Toy, toy, toy_arrays, write_toy_file

IDS = ["10", "0", "3"]
METRICS = {"semantic": ["pixel_accuracy"], "depth": ["mae"]}
MUTES = {
    "depth": ["zero", "mean", "shuffle", "noise", "constant:2"],
    "semantic": ["zero", "mean", "uniform", "shuffle", "noise"],
}


def make(data: Any, source: str = "depth", target: str = "semantic", **options: Any) -> SampleMaps:
    options = {"device": "cpu"} | options
    effect = Effect(source, target, options.pop("mute", "zero"))
    ids = options.pop("ids", IDS)
    return map_samples(options.pop("net", toy()), data, ids, effect, **options)


def omegas(run: Any, maps: SampleMaps) -> list[float]:
    """Look the omegas of the mapped samples up in a run."""
    frame = run.samples
    chosen = frame[
        (frame["mute"] == maps.mute)
        & (frame["source"] == maps.source)
        & (frame["target"] == maps.target)
    ]
    return list(chosen.set_index("id").loc[list(maps.ids), "omega"])


@pytest.mark.parametrize("limit", [None, 12])
@pytest.mark.parametrize("source", MUTES)
def test_maps_add_up_to_what_was_measured(toy_file: Path, source: str, limit: int | None) -> None:
    options: dict[str, Any] = {"seed": 3, "limit": limit, "device": "cpu"}
    run = measure(
        toy(), toy_file, metrics=METRICS, mutes=MUTES[source], sites=[source], draws=10,
        batch_size=4, **options,
    )  # fmt: skip
    for mute in MUTES[source]:
        labels = make(toy_file, source, "semantic", mute=mute, **options)
        values = make(toy_file, source, "depth", mute=mute, **options)
        assert labels.ids == values.ids == tuple(IDS)
        # Every sample has 28 labels and 27 depths; of labels an omega is a share of right pixels.
        pixels = np.nansum(labels.gain, axis=(1, 2))
        assert pixels.tolist() == pytest.approx([28 * w for w in omegas(run, labels)], abs=1e-9)
        assert np.nanmean(values.gain, axis=(1, 2)).tolist() == pytest.approx(
            omegas(run, values), abs=1e-6
        )
        assert labels.omega.tolist() == pytest.approx(omegas(run, labels), abs=1e-12)
        assert values.omega.tolist() == pytest.approx(omegas(run, values), abs=1e-6)
        assert np.any(labels.gain != 0)
        assert np.any(values.gain != 0)


@pytest.mark.parametrize("mute", ["shuffle:groups", "shuffle:neighbours"])
def test_partners_of_a_kind_are_those_of_the_measurement(tmp_path: Path, mute: str) -> None:
    path = write_toy_file(tmp_path / "toy.h5", groups=np.arange(13) % 3)
    run = measure(toy(), path, metrics=METRICS, mutes=[mute], draws=10, seed=2, batch_size=4,
                  device="cpu")  # fmt: skip
    for target in METRICS:
        maps = make(path, "semantic", target, mute=mute, seed=2)
        assert maps.omega.tolist() == pytest.approx(omegas(run, maps), abs=1e-6)


@pytest.mark.parametrize("source", ["edge:conv", "depth"])
def test_an_edge_is_mapped_as_it_is_measured(toy_file: Path, source: str) -> None:
    run = measure(toy(), toy_file, metrics=METRICS, mutes=["mean", "shuffle"], draws=10,
                  sites=[source], batch_size=4, device="cpu")  # fmt: skip
    for mute in ("mean", "shuffle"):
        maps = make(toy_file, source, "depth", mute=mute)
        assert maps.omega.tolist() == pytest.approx(omegas(run, maps), abs=1e-5)


def by_hand(partner_of: dict[int, int]) -> tuple[Any, Any]:
    """Compute both maps of some samples, whose depth is that of a partner, with numpy alone."""
    arrays = toy_arrays()
    depth, semantic = arrays["inputs"]["depth"], arrays["inputs"]["semantic"]
    label_maps, depth_maps = [], []
    for sample, partner in partner_of.items():
        truth, labels = (arrays["targets"][n][sample] for n in ("depth", "semantic"))
        guesses = []
        for shown in (sample, partner):
            pair = (torch.from_numpy(x) for x in (depth[[shown]], semantic[[sample]]))
            guesses.append([x.detach().double().numpy()[0] for x in Toy()(*pair)])
        right = [guess.argmax(0) == labels for _, guess in guesses]
        gain = right[0].astype(float) - right[1]
        gain[labels == 255] = np.nan
        label_maps.append(gain)
        errors = [np.abs(guess[0] - truth) for guess, _ in guesses]
        depth_maps.append(errors[1] - errors[0])
    return np.array(label_maps), np.array(depth_maps)


@pytest.mark.parametrize(("limit", "seed"), [(None, 0), (11, 5)])
def test_the_partner_of_a_shuffle_is_that_of_the_measurement(
    toy_file: Path, limit: int | None, seed: int
) -> None:
    order = derange("shuffle", EvaluationFile(toy_file), limit or 13, names=["depth"], seed=seed)
    partner_of = {int(i): int(order.follows[int(i)]) for i in IDS}
    assert all(sample != partner for sample, partner in partner_of.items())
    labels, values = by_hand(partner_of)
    options: dict[str, Any] = {"mute": "shuffle", "limit": limit, "seed": seed}
    np.testing.assert_array_equal(make(toy_file, **options).gain, labels)
    found = make(toy_file, target="depth", **options).gain
    np.testing.assert_allclose(found, values, atol=1e-5)


def test_what_there_is_to_see_beside_the_maps(toy_file: Path) -> None:
    arrays, maps = toy_arrays(), make(toy_file)
    labels = arrays["targets"]["semantic"][[10, 0, 3]].astype(int)
    np.testing.assert_array_equal(maps.truth, np.where(labels == 255, -1, labels))
    assert np.isnan(maps.gain[labels == 255]).all()
    assert set(np.unique(maps.gain[labels != 255])) <= {-1.0, 0.0, 1.0}
    inputs = {n: torch.from_numpy(x[[10, 0, 3]]) for n, x in arrays["inputs"].items()}
    np.testing.assert_array_equal(maps.full, Toy()(**inputs)[1].argmax(1).numpy())
    assert (maps.network, maps.source, maps.target, maps.mute) == (
        "toy", "depth", "semantic", "zero"
    )  # fmt: skip
    assert maps.classes == CLASSES
    assert maps.of_labels
    assert maps.pictured == "depth"
    np.testing.assert_array_equal(maps.pictures, arrays["inputs"]["depth"][[10, 0, 3], 0])
    values = make(toy_file, target="depth")
    assert (values.unit, values.of_labels) == ("m", False)
    assert np.isnan(values.gain).sum() == 3 * 3


def test_pictures_come_from_the_file_where_it_has_some(tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (13, 5, 6, 3)).astype(np.uint8)
    path = write_toy_file(tmp_path / "toy.h5", images=rgb)
    maps = make(path)
    assert maps.pictured == "picture"
    np.testing.assert_array_equal(maps.pictures, rgb[[10, 0, 3]])


def test_predictions_are_clamped_to_the_range_of_the_truth(tmp_path: Path) -> None:
    attributes = {"targets/depth": {"range": (1.5, 3.5)}}
    maps = make(write_toy_file(tmp_path / "toy.h5", attributes=attributes), target="depth")
    for values in (maps.full, maps.muted):
        assert values.min() >= 1.5
        assert values.max() <= 3.5
    known = maps.truth[np.isfinite(maps.truth)]
    assert len(known)
    assert ((known >= 1.5) & (known <= 3.5)).all()


def test_only_the_chosen_samples_are_read(toy_file: Path, reads: list[int]) -> None:
    make(toy_file)
    assert reads == [10, 0, 3]
    reads.clear()
    make(toy_file, mute="shuffle")
    assert len(reads) <= 6  # and their partners


class Line(nn.Module):
    def forward(self, x: Tensor, y: Tensor | None) -> Tensor:
        return x if y is None else x + y


@pytest.mark.parametrize("mute", ["zero", "absent"])
def test_any_number_of_axes_can_be_mapped(mute: str) -> None:
    x = torch.arange(6.0).reshape(3, 2)
    net = JointNetwork(Line(), ["x", "y"], ["z"])
    maps = make([({"x": x, "y": x}, {"z": x})], "y", "z", net=net, ids=["1"], mute=mute)
    # |x - x| - |2x - x|: the source only hurts.
    assert maps.gain.tolist() == [[-2.0, -3.0]]
    assert maps.pictures is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ids": ["3", "twelve"]}, r"no sample 'twelve' among the 13 of .*toy\.h5: give ids"),
        ({"ids": ["10"], "limit": 5}, "no sample '10' among the 5 of"),
        ({"ids": []}, "expected one sample or more, each once"),
        ({"ids": ["1", "1"]}, "expected one sample or more, each once"),
        ({"source": "dept"}, "unknown site 'dept': did you mean 'depth'"),
        ({"target": "semantics"}, "unknown output 'semantics': did you mean 'semantic'"),
        ({"mute": "zreo"}, "unknown mute 'zreo': did you mean 'zero'"),
        ({"mute": "uniform"}, "mute 'uniform' is defined for inputs of kind"),
        ({"limit": 0}, "limit of one sample or more"),
        ({"seed": -1}, r"expected a seed from 0 to 2\*\*63 - 1, got seed=-1"),
        ({"seed": 2**63}, r"expected a seed from 0 to 2\*\*63 - 1, got seed=9223372036854775808"),
        ({"source": "edge:convolution"}, "'convolution'.*'?conv"),
    ],
)
def test_mistakes_are_reported(toy_file: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InfluenceError, match=message):
        make(toy_file, **options)


def test_near_names_of_a_sample_are_suggested(tmp_path: Path) -> None:
    path = write_toy_file(tmp_path / "toy.h5", ids=[f"room-{i:04d}" for i in range(13)])
    with pytest.raises(InfluenceError, match=r"no sample 'rom-0011' .*such as 'room-0011'"):
        make(path, ids=["rom-0011"])


def test_an_output_without_pixels_is_refused() -> None:
    x = torch.ones(3, 2)
    net = JointNetwork(nn.Bilinear(2, 2, 4), ["x", "y"], ["label"])
    data = [({"x": x, "y": x}, {"label": torch.tensor([0, 1, 2])})]
    with pytest.raises(
        InfluenceError, match="expected a target with pixels, but targets/label has one value"
    ):
        make(data, "x", "label", net=net, ids=["0"])


def test_a_sample_without_truth_and_a_network_that_fails_are_named(tmp_path: Path) -> None:
    arrays = toy_arrays()
    arrays["targets"]["semantic"][3] = 255
    arrays["inputs"]["depth"][0] = np.nan
    path = write_toy_file(tmp_path / "toy.h5", **arrays)
    with pytest.raises(InfluenceError, match="sample '3' has no valid ground truth"):
        make(path, ids=["3"])
    with pytest.raises(InfluenceError, match=r"NaN or infinity in output .* for sample '0'"):
        make(path, ids=["0"])


def test_what_the_network_was_given_of_the_target(toy_file: Path, tmp_path: Path) -> None:
    inputs = toy_arrays()["inputs"]
    depth = make(toy_file, target="depth").given
    np.testing.assert_array_equal(depth, inputs["depth"][[10, 0, 3], 0])
    labels = make(toy_file, target="semantic").given
    np.testing.assert_array_equal(labels, inputs["semantic"][[10, 0, 3]].argmax(axis=1))
    feet = write_toy_file(tmp_path / "feet.h5", attributes={"inputs/depth": {"unit": "ft"}})
    assert make(feet, target="depth").given is None


def test_without_a_picture_the_source_is_shown(toy_file: Path) -> None:
    maps = make(toy_file, source="semantic", target="depth")
    assert maps.pictured == "semantic"
    labels = toy_arrays()["inputs"]["semantic"][[10, 0, 3]].argmax(axis=1)
    np.testing.assert_array_equal(maps.pictures, labels)
