"""Nothing that tracklets share is in two splits."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from par_model.errors import ManifestError
from par_model.labelling.splits import Divided, divide

SHARES = (0.7, 0.15, 0.15)


def of(person: str, camera: str | None = None, split: str | None = None, *, counts: bool = True) -> Divided:
    keys = [("person", person), *([("camera", camera)] if camera is not None else [])]
    return Divided(tuple(keys), split, counts)


TRACKLETS = st.lists(
    st.builds(
        of,
        st.integers(0, 30).map(str),
        st.one_of(st.none(), st.integers(0, 30).map(str)),
        counts=st.booleans(),
    ),
    min_size=1,
    max_size=60,
)


@given(TRACKLETS, st.integers(0, 3))
def test_no_person_and_no_camera_is_in_two_splits(tracklets: list[Divided], seed: int) -> None:
    try:
        found = divide(tracklets, SHARES, seed, "m")
    except ManifestError:
        with pytest.raises(ManifestError, match="nothing is left for split"):
            divide(tracklets, SHARES, seed, "m")
        return
    splits = defaultdict(set)
    for tracklet, split in zip(tracklets, found, strict=True):
        assert split in ("train", "val", "test") or not tracklet.counts
        for key in tracklet.keys:
            splits[key].add(split)
    assert all(len(of_key) == 1 for of_key in splits.values())
    assert found == divide(tracklets, SHARES, seed, "m")


def test_shares_are_kept_where_people_are_many_and_another_seed_divides_otherwise() -> None:
    tracklets = [of(f"p{i // 2}") for i in range(400)]
    found = divide(tracklets, SHARES, 0, "m")
    assert {split: found.count(split) for split in ("train", "val", "test")} == {"train": 280, "val": 60, "test": 60}
    assert divide(tracklets, SHARES, 1, "m") != found
    none = divide(tracklets, (0.8, 0.2, 0.0), 0, "m")
    assert (none.count("train"), none.count("val"), none.count("test")) == (320, 80, 0)


def test_what_has_a_split_keeps_it_with_all_that_hangs_together_with_it() -> None:
    tracklets = [of("a", split="test"), of("a"), of("b", split="train"), of("c"), of("d"), of("e", counts=False)]
    found = divide(tracklets, SHARES, 0, "m")
    assert found[:3] == ["test", "test", "train"]
    assert set(found[3:5]) == {"train", "val"}
    assert found[5] is None


def test_a_person_who_is_in_two_splits_already_is_refused_by_name() -> None:
    with pytest.raises(ManifestError, match=r"of split test \(person 'a'\) and train \(person 'a'\) already"):
        divide([of("a", split="test"), of("a", split="train")], SHARES, 0, "m")


def test_people_who_walk_past_all_cameras_leave_nothing_to_divide() -> None:
    tracklets = [of(f"p{i}", camera) for i in range(5) for camera in "ab"]
    with pytest.raises(ManifestError) as caught:
        divide(tracklets, SHARES, 0, "m")
    said = str(caught.value)
    assert "nothing is left for split val and test: the labelled tracklets hang together in 1 group," in said
    assert "largest has 10" in said
    assert "--split-by person" in said


@pytest.mark.parametrize(
    ("tracklets", "problem"),
    [
        (
            [of("a", split="train"), of("b", split="train")],
            r"val and test: all labelled tracklets.*empty the column",
        ),
        ([of("a", split="train", counts=False), of("a")], r"val and test: all labelled tracklets.*empty the column"),
        ([of("a", counts=False)], "train and val and test: no tracklet has a label of 1 or 0"),
        ([of("a", split="train"), of("b")], "(val|test): the labelled tracklets hang together in 2 groups"),
    ],
)
def test_an_empty_split_is_said_with_its_reason(tracklets: list[Divided], problem: str) -> None:
    with pytest.raises(ManifestError, match=f"nothing is left for split .*{problem}"):
        divide(tracklets, SHARES, 0, "m")


def test_three_cameras_are_three_splits_though_the_largest_would_take_all() -> None:
    sizes = {"a": 10, "b": 9, "c": 8}
    tracklets = [of(f"{camera}{i}", camera) for camera, size in sizes.items() for i in range(size)]
    found = divide(tracklets, SHARES, 0, "m")
    assert [found[0], found[10], found[19]] == ["train", "val", "test"]
