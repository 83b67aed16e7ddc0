from __future__ import annotations

import pytest

from experiments.networks.study import NetworkStudy
from influence.errors import InfluenceError
from tests.experiments.networks.conftest import readme_configuration
from tests.experiments.networks.mine import Mine


def test_the_networks_of_all_files_in_the_order_of_the_files(study: NetworkStudy) -> None:
    assert list(study.plans) == ["mine", "mine-depth", "guided", "fcrn-depth"]
    assert study.choose() == list(study.plans)
    assert study.choose(["guided", "mine"]) == ["guided", "mine"]


def test_a_name_in_two_files_is_told(empty_study: NetworkStudy) -> None:
    (empty_study.results / "again.toml").write_text(readme_configuration())
    with pytest.raises(InfluenceError, match=r"mine\.toml: mine, mine-depth is also in another"):
        empty_study.choose()


def test_a_split_has_the_pictures_and_classes_of_its_label_set(study: NetworkStudy) -> None:
    images = study.load_split("test", "arora6")
    assert images.rgb.shape == (6, study.height, study.width, 3)
    assert images.classes == ("other", "wall", "floor", "cabinet", "bed", "chair")
    assert set(images.labels.ravel()) == {0, 1, 2}  # a table is "other", as what has no label


def test_an_input_that_the_data_do_not_have_is_told(
    empty_study: NetworkStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Mine.Config, "inputs", ("rgb", "sound"))
    with pytest.raises(InfluenceError, match="unknown input of network 'mine' 'sound'"):
        empty_study.choose()
