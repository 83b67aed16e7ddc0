from __future__ import annotations

import numpy as np
import pytest

from experiments.datasets.label_maps import LABEL_MAPS, class_names, label_map
from experiments.datasets.sample import CLASSES, IGNORE
from influence.errors import InfluenceError

# The vectors in the authors' files `class13Mapping.mat` and `classMapping40.mat`, by class of 40.
TO_13 = [12, 5, 6, 1, 4, 9, 10, 12, 13, 6, 8, 6, 13, 10, 6, 13, 6, 7, 7, 5, 7, 3, 2, 6, 11, 7, 7]
TO_13 += [7, 7, 7, 7, 6, 7, 7, 7, 7, 7, 7, 6, 7]
TO_4 = [2, 1, 3, 3, 3, 3, 3, 2, 2, 3, 4, 2, 2, 3, 3, 2, 3, 4, 4, 4, 4, 2, 4, 3, 4, 4, 4, 2, 4, 2]
TO_4 += [4, 3, 3, 4, 4, 3, 4, 2, 3, 4]


def counts(name: str) -> list[int]:
    """How many of the 894 raw labels each class has."""
    return [int(count) for count in np.bincount(label_map(name)[1:])]


def test_the_raw_labels_of_the_five_classes_are_as_many_as_in_the_sources() -> None:
    assert counts("geo5_wang") == [2, 19, 1, 6, 866]
    assert counts("geo5_silberman") == [1, 76, 1, 95, 721]
    assert counts("structure4") == [1, 77, 95, 721]


def test_37_of_the_40_classes_have_one_raw_label() -> None:
    assert counts("nyu40") == [1] * 37 + [68, 82, 707]


@pytest.mark.parametrize(("name", "vector"), [("nyu13", TO_13), ("structure4", TO_4)])
@pytest.mark.parametrize("source", [40, 894])
def test_the_maps_to_13_and_4_are_the_authors_vectors(
    name: str, vector: list[int], source: int
) -> None:
    by_40 = np.array(vector) - 1
    if source == 40:
        np.testing.assert_array_equal(label_map(name, source=40)[1:], by_40)
    else:
        np.testing.assert_array_equal(label_map(name)[1:], by_40[label_map("nyu40")[1:]])


def test_from_40_classes_wang_misplaces_14_raw_labels() -> None:
    raw_to_40 = label_map("nyu40")[1:].astype(int) + 1
    through_40 = label_map("geo5_wang", source=40)[raw_to_40]
    assert int((through_40 != label_map("geo5_wang")[1:]).sum()) == 14


def test_from_40_classes_silberman_is_exact() -> None:
    raw_to_40 = label_map("nyu40")[1:].astype(int) + 1
    through_40 = label_map("geo5_silberman", source=40)[raw_to_40]
    np.testing.assert_array_equal(through_40, label_map("geo5_silberman")[1:])


@pytest.mark.parametrize("name", LABEL_MAPS)
@pytest.mark.parametrize("source", [40, 894])
def test_unlabelled_is_ignored_and_every_label_has_a_named_class(name: str, source: int) -> None:
    table = label_map(name, source=source)
    assert table.shape == (source + 1,)
    assert table[0] == IGNORE
    assert set(table[1:].tolist()) == set(range(len(class_names(name))))


def test_the_five_classes_are_in_the_order_that_every_file_uses() -> None:
    assert class_names("geo5_wang") == class_names("geo5_silberman") == CLASSES


def test_an_unknown_map_is_named_with_its_neighbours() -> None:
    with pytest.raises(InfluenceError, match="did you mean 'geo5_wang'"):
        label_map("geo5_wan")
    with pytest.raises(InfluenceError, match="not 13"):
        label_map("geo5_wang", source=13)


def test_the_five_classes_of_wang() -> None:
    names = ("ground", "vertical", "ceiling", "furniture", "object")
    assert class_names("geo5_wang") == names
    unlabelled, wall, floor, ceiling = 0, 21, 11, 4
    found = label_map("geo5_wang")[[unlabelled, wall, floor, ceiling]]
    assert found.tolist() == [255, 1, 0, 2]
