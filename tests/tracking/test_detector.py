"""Which detector a location names."""

from __future__ import annotations

import pytest

from par_model.errors import UsageError, WeightsError
from par_model.tracking.detector import load_detector


@pytest.mark.parametrize("location", ["weights.pt", "d.bin", "model.safetensors", "d.engine"])
def test_files_of_other_kinds_are_refused_with_what_is_taken(location: str) -> None:
    with pytest.raises(WeightsError, match=r"not a detector as it stands: give an OpenVINO \.xml or an \.onnx file"):
        load_detector(location)


@pytest.mark.parametrize("location", ["no-such-folder", "no/such/folder", "/no/such/folder", ""])
def test_what_is_neither_there_nor_a_name_is_refused(location: str) -> None:
    with pytest.raises(WeightsError, match=r"no such detector: give `demo`"):
        load_detector(location)


def test_no_threads_are_refused() -> None:
    with pytest.raises(UsageError, match="threads 0: give at least 1"):
        load_detector("demo", threads=0)
