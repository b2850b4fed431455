"""A run of before there were options of decoding that are recorded now is one with their defaults."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import safetensors.torch
import torch

from par_model.errors import OutputError
from par_model.training.checkpoint import load_history
from par_model.training.job import TrainJob
from par_model.video.options import BEFORE_RECORDED, DecodeOptions
from tests.training.archive import Archive, train_here

NEW = ("video_stream", "unflagged_matrix")


def test_an_old_checkpoint_is_gone_on_with(tmp_path: Path) -> None:
    run = {"manifest": "m", "decoder": "pyav"}
    history = {"run": run, "epochs": [{"epoch": 1}], "best_epoch": 1}
    uri = str(tmp_path / "c.safetensors")
    Path(uri).write_bytes(safetensors.torch.save({"a": torch.ones(1)}, {"history": json.dumps(history)}))
    assert load_history(uri, run | BEFORE_RECORDED).next_epoch == 2
    for name, value in zip(NEW, (1, "bt709"), strict=True):
        with pytest.raises(OutputError, match="belongs to another run"):
            load_history(uri, run | BEFORE_RECORDED | {name: value})


def test_an_old_finished_run_is_finished(labelled: Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = TrainJob.look(labelled.options(tmp_path))
    old = {name: value for name, value in job.fingerprint.items() if name not in NEW}
    assert job.fingerprint == old | BEFORE_RECORDED
    finished = {"fingerprint": old, "epochs": 2}
    (tmp_path / "run.json").write_text(json.dumps(finished))
    assert train_here(labelled.options(tmp_path)) == finished
    assert "nothing to do" in capsys.readouterr().err
    with pytest.raises(OutputError, match="its schedule ended with epoch 2"):
        train_here(labelled.options(tmp_path, epochs=3))
    with pytest.raises(OutputError, match=r"differs in video_stream \(0 there, 1 now\)"):
        train_here(labelled.options(tmp_path, decode=DecodeOptions(video_stream=1)))
