"""Several processes compute the steps that one computes."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
import torch.multiprocessing
from torch import nn

from par_model.training import loop
from par_model.training.inputs import TrainPlan
from par_model.training.job import TrainJob, _decode, _plan
from par_model.training.local import LocalTrainer
from par_model.training.loop import Learner, train, train_epoch
from par_model.training.pace import Pace
from par_model.training.store import gather_shards
from par_model.training.workers import OverallBatchNorm, Worker
from tests.training.archive import Archive


def plan_of(labelled: Archive, output: Path, **options: Any) -> TrainPlan:
    job = TrainJob.look(labelled.options(output, **options))
    shards = job.shards()
    _decode(LocalTrainer("cpu"), shards)
    return _plan(job, shards, {})


def _work(rank: int, count: int, plan: TrainPlan, folder: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"file://{folder}/meet", rank=rank, world_size=count)
    _compare_norms(rank)
    train(plan, Worker(rank, count, rank), lambda line: None)
    torch.distributed.destroy_process_group()


def _compare_norms(rank: int) -> None:
    """The whole batch on worker 0, none of it on worker 1, against torch's own BatchNorm on the whole batch."""
    torch.manual_seed(0)
    x, wanted = torch.randn(5, 4) * 3 + 1, torch.randn(5, 4)
    reference, overall = nn.BatchNorm1d(4), OverallBatchNorm.of(nn.BatchNorm1d(4))
    whole = x.clone().requires_grad_()
    torch.autograd.backward(((reference(whole) - wanted) ** 3).sum())
    mine = slice(0, 5) if rank == 0 else slice(5, 5)
    part = x[mine].clone().requires_grad_()
    torch.autograd.backward(((overall(part) - wanted[mine]) ** 3).sum())
    assert part.grad is not None
    assert whole.grad is not None
    torch.testing.assert_close(part.grad, whole.grad[mine])
    torch.testing.assert_close(overall.running_mean, reference.running_mean)
    torch.testing.assert_close(overall.running_var, reference.running_var)


def losses(output: Path) -> list[float]:
    """Of each step, from the event files."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(output / "_tensorboard")).Reload().Scalars("step/loss")
    return [event.value for event in found]


@pytest.mark.parametrize("optimizer", ["adam", pytest.param("muon", marks=pytest.mark.slow)])
def test_two_workers_and_one_have_the_same_loss_curve(labelled: Archive, tmp_path: Path, optimizer: str) -> None:
    """Ten steps with uneven shares; before them, that batch statistics and their gradients are those of the whole."""
    options = {"batch_size": 5, "epochs": 2, "optimizer": optimizer}
    alone, together = (plan_of(labelled, tmp_path / name, **options) for name in ("1", "2"))
    train(alone, Worker(), lambda line: None)
    torch.multiprocessing.spawn(_work, (2, together, str(tmp_path)), nprocs=2)
    one, two = losses(tmp_path / "1"), losses(tmp_path / "2")
    assert len(one) == len(two) == 10
    assert max(abs(a - b) for a, b in zip(one, two, strict=True)) < 1e-4
    one, two = (pq.read_table(tmp_path / name / "metrics.parquet")["val_loss"].to_pylist() for name in ("1", "2"))
    # Looser: a bias before BatchNorm has a gradient of rounding noise, which Adam makes steps of. The running mean
    # follows them late, so that evaluation sees what training does not.
    assert one == pytest.approx(two, abs=5e-3)


def test_accumulated_gradients_are_those_of_the_batch(labelled: Archive, tmp_path: Path) -> None:
    """Where BatchNorm has its statistics already, micro-steps add up to the step."""
    found = []
    for micro in (None, 3):
        learner = Learner.start(plan_of(labelled, tmp_path / str(micro), micro_batch=micro), Worker())
        learner.recogniser.bn = _KnownNorm.of(learner.recogniser.bn)
        losses, _ = train_epoch(learner, 1, Pace(learner.plan, Worker(), lambda line: None))
        found.append(losses)
    assert len(found[0]) > 1
    assert found[0] == pytest.approx(found[1], abs=1e-5)


class _KnownNorm(OverallBatchNorm):
    def train(self, mode: bool = True) -> _KnownNorm:
        super().train(False)
        return self


def test_the_local_copy_of_the_crops_is_gone_after_the_start(
    labelled: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(labelled, tmp_path)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    made = []

    def gather(uris: Sequence[str], path: str) -> None:
        made.append(path)
        gather_shards(uris, path)

    monkeypatch.setattr(loop, "gather_shards", gather)
    learner = Learner.start(plan, Worker())
    assert [Path(path).parent.parent for path in made] == [scratch]
    assert list(scratch.iterdir()) == []
    assert learner.store.num_frames(plan.train.ids[0]) > 0
