"""Where networks run."""

from __future__ import annotations

import pytest
import torch

from par_model.errors import UsageError
from par_model.model.device import Device, Precision, choose_precision, local_device


@pytest.mark.parametrize(
    ("wanted", "has_gpu", "found"),
    [("auto", False, "cpu"), ("auto", True, "cuda"), ("cpu", True, "cpu"), ("cuda", True, "cuda")],
)
def test_this_process_takes_a_gpu_where_torch_sees_one(
    wanted: Device, has_gpu: bool, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    assert local_device(wanted) == found


def test_a_gpu_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="torch sees no GPU here"):
        local_device("cuda")


@pytest.mark.parametrize(
    ("wanted", "on_cpu", "on_gpu"), [("auto", "fp32", "bf16"), ("fp32", "fp32", "fp32"), ("bf16", "bf16", "bf16")]
)
def test_precision_follows_the_device_unless_it_is_given(wanted: Precision, on_cpu: str, on_gpu: str) -> None:
    assert (choose_precision(wanted, "cpu"), choose_precision(wanted, "cuda")) == (on_cpu, on_gpu)
