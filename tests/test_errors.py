"""Errors that people see: one line each, also after their way from another process."""

from __future__ import annotations

import inspect
import pickle

import pytest

from par_model import errors
from par_model.errors import FailureCode, ParError, TrackletError, UsageError

KINDS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, ParError) and kind is not TrackletError
]


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_is_one_line_whatever_a_library_said(kind: type[ParError]) -> None:
    error = kind("weights w: not valid: size mismatch\n\tfor 'a':\n\nit's not \"b\"")
    assert str(error) == "weights w: not valid: size mismatch for 'a': it's not \"b\""
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (kind, str(error))


def test_what_is_wrong_with_a_tracklet_is_one_line_and_keeps_its_code() -> None:
    error = TrackletError(FailureCode.VIDEO_TIMEOUT, "cannot read v:\nno answer")
    again = pickle.loads(pickle.dumps(error))
    assert (again.code, again.message, str(again)) == ("video-timeout", "cannot read v: no answer", again.message)


def test_the_docstring_draws_every_error_and_exit_codes_are_those_it_tells() -> None:
    drawn = str(errors.__doc__)
    assert [kind.__name__ for kind in (*KINDS, TrackletError) if f"{kind.__name__} " not in drawn] == []
    assert {kind: kind.exit_code for kind in KINDS if kind.exit_code != 1} == {UsageError: 2}
