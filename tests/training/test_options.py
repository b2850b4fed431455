"""What ``train`` can be asked for, and the command that asks for it."""

from __future__ import annotations

from typing import Any

import pytest

from par_model.errors import UsageError
from par_model.training.options import TrainOptions
from par_model.video.options import DecodeOptions


def test_a_command_says_every_option_that_is_not_the_default() -> None:
    decode = DecodeOptions(damaged="use", video_timeout=7.5)
    more = {"tune": "head", "clip_norm": 1.0, "schema": "own.toml", "batch_size": 4, "decode": decode}
    options = TrainOptions(manifest="s3://a b/m", weights="demo", output="run", **more)
    assert options.command() == (
        "parjob train --manifest 's3://a b/m' --weights demo --output run --batch-size 4 --tune head "
        "--clip-norm 1.0 --schema own.toml --damaged use --video-timeout 7.5"
    )


@pytest.mark.parametrize("wrong", [{"augment": False}, {"optimizer": "Muon"}, {"schedule": "cosine"}])
def test_a_choice_that_there_is_not_is_refused(wrong: Any) -> None:
    (name,) = wrong
    with pytest.raises(UsageError, match=f"--{name} is"):
        TrainOptions("m", "w", "o", **wrong)


def test_every_worker_has_a_tracklet_of_each_step() -> None:
    TrainOptions("m", "w", "o", batch_size=4, workers=4)
    with pytest.raises(UsageError, match="--batch-size 4 is smaller than --workers 5"):
        TrainOptions("m", "w", "o", batch_size=4, workers=5)


def test_results_depend_on_the_budget_only_where_it_is_spent_and_not_on_who_works() -> None:
    plain = TrainOptions("m", "w", "o").results()
    assert TrainOptions("m", "w", "o", decode_budget=0.5, workers=2, crops="c", max_failures=3).results() == plain
    assert TrainOptions("m", "w", "o", sampling="cheap", decode_budget=0.5).results()["decode_budget"] == 0.5
    assert TrainOptions("m", "w", "o", decode=DecodeOptions(damaged="use")).results()["damaged"] == "use"
