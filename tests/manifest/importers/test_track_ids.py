"""Track ids: each number is spelt in one way, and what says that there is none is no person."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from par_model.errors import ManifestError
from par_model.manifest.importers.gather import Lines, Listed
from par_model.manifest.importers.track_ids import UNTRACKED, says_none, track_id, track_ids, with_ids

LINES = Lines("t.txt", range(1, 100))


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("7", "7"),
        (" 007 ", "7"),
        ("7.0", "7"),
        ("+7.", "7"),
        ("-07", "-7"),
        ("-0", "0"),
        ("000", "0"),
        ("7.0e+00", "7"),
        ("1.5e1", "15"),
        ("9007199254740993", "9007199254740993"),  # no float holds it
        ("12e4", "12e4"),  # may be hexadecimal
        ("1e5f", "1e5f"),
        ("cam1_7", "cam1_7"),
        ("\u0667", "\u0667"),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_numbers_are_spelt_in_one_way_and_text_stays(written: str, name: str) -> None:
    assert track_id(written) == name


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", "there is no track id"),
        ("  ", "there is no track id"),
        ("7.5", "track id 7.5 is not a whole number"),
        ("inf", "track id 'inf' is not finite"),
        ("nan", "track id 'nan' is not finite"),
    ],
)
def test_what_is_no_id_is_refused(written: str, said: str) -> None:
    with pytest.raises(ValueError, match=f"^{said}$"):
        track_id(written)


@given(st.integers(-(2**60), 2**60), st.sampled_from(["{}", "{}.", "{}.00", " {}"]))
def test_a_whole_number_is_the_same_id_however_it_is_written(number: int, form: str) -> None:
    assert Fraction(track_id(form.format(number))) == number
    assert track_id(track_id(form.format(number))) == track_id(str(number))


@pytest.mark.parametrize("word", ["None", "null", "NA", "<NA>", "n/a", "-", "?", "\\N", UNTRACKED])
def test_words_for_no_track_are_known(word: str) -> None:
    assert says_none(f" {word} ")
    assert track_ids([word, "1"], LINES) == ["", "1"]


@pytest.mark.parametrize("cell", ["", "nan", "NaN"])
def test_in_a_table_an_empty_cell_says_so_too_and_elsewhere_it_is_refused_with_its_line(cell: str) -> None:
    assert track_ids(["1", cell], LINES, in_table=True) == ["1", ""]
    with pytest.raises(ManifestError, match=r"^t\.txt, line 2: "):
        track_ids(["1", cell], LINES)


def test_rows_without_an_id_are_left_out_and_counted() -> None:
    listed = Listed(["1", "", "2", ""], np.arange(4), np.ones((4, 4)), LINES)
    kept = with_ids(listed)
    assert (kept.ids, kept.frames.tolist()) == (["1", "2"], [0, 2])
    assert [str(left) for left in kept.left_out] == ["2 boxes of no track (no track id)"]
    assert kept.where(1) == "t.txt, line 3"
