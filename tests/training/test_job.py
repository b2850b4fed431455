"""A run in one process: what it writes, what it keeps frozen, how it goes on, how it ends."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch

from par_model import storage
from par_model.errors import ManifestError, OutputError, TrainingError
from par_model.model.weights import load_weights, read_header, save_weights
from par_model.training import loop
from par_model.training.augment import Draw, pad_crop_flip
from par_model.training.checkpoint import NAME
from par_model.training.optimiser import Muon
from par_model.training.options import Optimizer, TrainOptions
from par_model.training.schedule import smooth_rate
from tests.asked import changes_below, not_asked_for
from tests.cli.test_infer import parjob
from tests.tiny import write_tiny_weights
from tests.training.archive import SCHEMA, Archive, train_here, write_labelled


def tensors(uri: Path | str) -> dict[str, torch.Tensor]:
    return dict(load_weights(str(uri))[0].state_dict())


class Killed(BaseException):
    """Ends a run as a kill does: nothing below catches it."""


def killed_epoch(learner: Any, epoch: int, *others: Any, train_epoch: Any = loop.train_epoch) -> Any:
    """In place of ``train_epoch``: a run whose second epoch is cut off."""
    if epoch == 2:
        raise Killed
    return train_epoch(learner, epoch, *others)


def test_a_run_learns_writes_what_it_promises_and_infer_takes_it(
    labelled: Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    summary = train_here(labelled.options(out, epochs=6, lr=3e-3))
    assert {p.name for p in out.iterdir() if not p.name.startswith("_")} == {
        *("best.safetensors", "last.safetensors", "metrics.parquet", "run.json")
    }
    assert json.loads((out / "run.json").read_text()) == summary
    assert (summary["counts"], summary["held_out"]) == ({"train": 24, "val": 6, "failed": 0}, [])
    rows = pq.read_table(out / "metrics.parquet").to_pylist()
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert rows[0]["learning_rate"] == pytest.approx(1e-5 + (3e-3 - 1e-5) / 5)
    assert rows[-1]["val_loss"] < 0.7 * rows[0]["val_loss"]
    assert [row["steps"] for row in rows] == [3] * 6
    assert (out / "_curves.png").read_bytes().startswith(b"\x89PNG")
    assert len(list((out / "_tensorboard").glob("events.out.tfevents.*"))) == 6

    header = read_header(str(out / "best.safetensors"))
    assert header.trained == (True, True, True, True, False)
    assert header.training["epoch"] == summary["best"]["epoch"]
    assert "parjob: warning: never annotated" in capsys.readouterr().err
    assert summary["untrained"] == ["boots"]
    code = parjob(
        *("infer", "--manifest", labelled.manifest, "--weights", out / "best.safetensors"),
        *("--output", tmp_path / "table", "--no-ray", "--split", "test"),
    )
    assert code == 0
    table = pq.read_table(tmp_path / "table" / "attributes")
    assert table["boots"].null_count == table["boots_score"].null_count == len(table) == 6

    again = train_here(labelled.options(out, epochs=6, lr=3e-3))
    assert again == summary
    assert "nothing to do" in capsys.readouterr().err
    with pytest.raises(OutputError, match=r"differs in lr \(0.003 there, 0.001 now\)"):
        train_here(labelled.options(out, epochs=6))
    with pytest.raises(OutputError, match=r"differs in epochs \(6 there, 4 now\)"):
        train_here(labelled.options(out, epochs=4, lr=3e-3))
    with pytest.raises(OutputError, match="its schedule ended with epoch 6") as refused:
        train_here(labelled.options(out, epochs=7, lr=3e-3))
    words = shlex.split(str(refused.value).partition(": parjob ")[2])
    assert parjob(*words, "--no-ray", "--device", "cpu") == 0
    more = json.loads(Path(f"{out}-more", "run.json").read_text())
    assert (more["epochs"], more["options"]["lr"], more["weights"]["sha256"]) == (1, 3e-3, header.sha256)


@pytest.fixture
def learners(monkeypatch: pytest.MonkeyPatch) -> list[loop.Learner]:
    """Those that runs of the test start."""
    started: list[loop.Learner] = []
    start = loop.Learner.start
    monkeypatch.setattr(loop.Learner, "start", lambda *given: started.append(start(*given)) or started[-1])
    return started


def test_muon_moves_matrices_by_steps_of_one_length_and_adam_the_rest(
    labelled: Archive, tmp_path: Path, learners: list[loop.Learner]
) -> None:
    """One step at the only rate of the epoch: a matrix moves by 0.2 of it in root mean square, a bias by it."""
    before = tensors(labelled.weights)
    summary = train_here(labelled.options(tmp_path, epochs=1, lr=1e-3, batch_size=24, optimizer="muon"))
    assert summary["options"]["optimizer"] == "muon"
    rate = pq.read_table(tmp_path / "metrics.parquet")["learning_rate"].to_pylist()[0]
    ((adam, muon),) = (learner.optimisers for learner in learners)
    assert [type(adam), type(muon)] == [torch.optim.Adam, Muon]
    assert {group["lr"] for one in (adam, muon) for group in one.param_groups} == {rate}
    after = tensors(tmp_path / "last.safetensors")
    for name, length in (("fusion.block.mlp.fc1.weight", 0.2), ("fusion.block.mlp.fc1.bias", 1.0)):
        moved = (after[name] - before[name]).square().mean().sqrt()
        assert float(moved) == pytest.approx(length * rate, rel=0.25), name


def test_weights_of_half_precision_are_trained_in_float32(labelled: Archive, tmp_path: Path) -> None:
    recogniser, header = load_weights(labelled.weights)
    half = str(tmp_path / "half.safetensors")
    save_weights(half, recogniser.to(torch.bfloat16), schema=header.schema, preprocess=header.preprocess, training={})
    train_here(labelled.options(tmp_path / "out", weights=half, epochs=1))
    trained = tensors(tmp_path / "out" / "last.safetensors").values()
    assert {t.dtype for t in trained if t.is_floating_point()} == {torch.float32}
    assert tensors(half)["heads.weight"].dtype == torch.bfloat16


@pytest.mark.skipif(not torch.cuda.is_available(), reason="wants a GPU")
@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_an_interrupted_run_goes_on_on_a_gpu(
    optimizer: str, labelled: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = labelled.options(tmp_path, epochs=2, optimizer=optimizer)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "train_epoch", killed_epoch)
        with pytest.raises(Killed):
            train_here(options, "cuda")
    assert train_here(options, "cuda")["epochs"] == 2


@pytest.mark.parametrize("augment", ["all", "flip", "none"])
def test_pictures_are_changed_as_asked(
    augment: str, labelled: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draws: list[Draw] = []

    def seen(pixels: torch.Tensor, drawn: list[Draw]) -> torch.Tensor:
        draws.extend(drawn)
        return pad_crop_flip(pixels, drawn)

    monkeypatch.setattr(loop, "pad_crop_flip", seen)
    train_here(labelled.options(tmp_path, epochs=1, augment=augment))
    assert len(draws) == (0 if augment == "none" else 24)
    assert {d.flip for d in draws} == (set() if augment == "none" else {False, True})
    assert len({(d.dy, d.dx) for d in draws}) == {"all": 24, "flip": 1, "none": 0}[augment]


@pytest.mark.parametrize(
    ("tune", "changed"),
    [("side", {"spatial", "temporal", "fusion", "heads", "bn"}), ("head", {"fusion", "heads", "bn"})],
)
def test_frozen_means_frozen(tune: Any, changed: set[str], labelled: Archive, tmp_path: Path) -> None:
    before = tensors(labelled.weights)
    train_here(labelled.options(tmp_path, tune=tune, epochs=1))
    after = tensors(tmp_path / "last.safetensors")
    both = before.keys() & after.keys()
    assert {name.partition(".")[0] for name in both if not torch.equal(before[name], after[name])} == changed
    sides = {name.partition(".")[0] for name in before.keys() ^ after.keys()}
    assert sides == (set() if tune == "side" else {"spatial", "temporal", "visual_embed"})


def test_full_tuning_changes_the_image_tower(labelled: Archive, tmp_path: Path) -> None:
    """And so takes it out of the space of CLIP's texts: zero-shot answers are for the frozen tower alone."""
    weights = write_tiny_weights(tmp_path / "clip.safetensors", SCHEMA, zero_shot=True)
    for tune in ("full", "head"):
        train_here(labelled.options(tmp_path / tune, weights=weights, tune=tune, epochs=1, clip_norm=1.0))
    before, full, head = map(tensors, (weights, tmp_path / "full/last.safetensors", tmp_path / "head/last.safetensors"))
    tower = [name for name in before if name.startswith("backbone.")]
    assert any(not torch.equal(before[name], full[name]) for name in tower)
    assert all(torch.equal(before[name], head[name]) for name in [*tower, "negative_features", "logit_scale"])
    assert "logit_scale" not in full


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_an_interrupted_run_goes_on_and_ends_as_an_undisturbed_one(
    labelled: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimizer: str
) -> None:
    """Killed in epoch 2, again in epoch 3 before its checkpoint, and in the last after its checkpoint but before its
    weights; the rate, which here changes at every step of three, goes on too."""
    options = {"epochs": 4, "schedule": "step", "lr": 1e-3, "optimizer": optimizer}
    train_here(labelled.options(tmp_path / "whole", **options))
    save = loop.save_checkpoint

    def killed_save(uri: str, recogniser: Any, optimisers: Any, history: Any, before: Any) -> None:
        if len(history.epochs) == 3:
            raise Killed
        save(uri, recogniser, optimisers, history, before)

    def killed_publish(learner: Any, history: Any) -> None:
        if len(history.epochs) == 4:
            raise Killed
        publish(learner, history)

    publish = loop.publish
    kills = (("train_epoch", killed_epoch), ("save_checkpoint", killed_save), ("publish", killed_publish))
    for name, kill in kills:
        with monkeypatch.context() as patch:
            patch.setattr(loop, name, kill)
            with pytest.raises(Killed):
                train_here(labelled.options(tmp_path / "out", **options))
        assert not (tmp_path / "out" / "run.json").exists()
    train_here(labelled.options(tmp_path / "out", **options))
    curves = [pq.read_table(tmp_path / name / "metrics.parquet") for name in ("whole", "out")]
    assert curves[1]["epoch"].to_pylist() == [1, 2, 3, 4]
    last_steps = [smooth_rate((epoch + 2.5 / 3) / 4, peak=1e-3) for epoch in range(4)]
    assert curves[1]["learning_rate"].to_pylist() == pytest.approx(last_steps)
    for name in ("train_loss", "val_loss", "val_macro_f1", "best"):
        assert curves[0][name].to_pylist() == curves[1][name].to_pylist(), name
    for name in ("last", "best"):
        whole, out = (tensors(tmp_path / folder / f"{name}.safetensors") for folder in ("whole", "out"))
        assert all(torch.equal(whole[key], out[key]) for key in whole)
    assert len(list((tmp_path / "out" / "_tensorboard").iterdir())) == 4


@pytest.mark.parametrize(
    ("optimizer", "advice"),
    [("adam", "lower --lr, or set --clip-norm 1, with"), ("muon", "lower --lr with")],  # clipping is of no use there
)
def test_a_loss_that_is_no_number_stops_with_the_step_its_tracklets_and_advice(
    labelled: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimizer: Optimizer, advice: str
) -> None:
    forward = loop.forward

    def poisoned(learner: Any, batch: Any, epoch: int | None) -> torch.Tensor:
        logits = forward(learner, batch, epoch)
        return logits * float("nan") if epoch == 2 and "s001" in batch.ids else logits

    monkeypatch.setattr(loop, "forward", poisoned)
    with pytest.raises(TrainingError, match=rf"loss is nan at epoch 2, step \d; its tracklets: .*s001.*{advice}"):
        train_here(labelled.options(tmp_path, optimizer=optimizer))
    assert pq.read_table(tmp_path / "metrics.parquet")["epoch"].to_pylist() == [1]
    assert (tmp_path / NAME).exists()


def test_a_class_without_a_positive_is_warned_of_and_kept(
    labelled: Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = write_labelled(tmp_path / "archive", labels=[0, 1, 0, 0, -1])
    summary = train_here(labelled.options(tmp_path / "out", manifest=manifest, crops=None, epochs=1))
    assert summary["without_a_positive"] == ["helmet", "vest_green", "vest_blue"]
    assert "never positive in the training split: helmet, vest_green" in capsys.readouterr().err
    assert read_header(str(tmp_path / "out" / "last.safetensors")).trained == (True, True, True, True, False)


def test_frames_asked_for_are_kept_in_the_weights(labelled: Archive, tmp_path: Path) -> None:
    train_here(labelled.options(tmp_path, frames=1, epochs=1))
    assert read_header(str(tmp_path / "best.safetensors")).config.frames == 1


def test_the_test_split_is_never_read(labelled: Archive, tmp_path: Path) -> None:
    manifest = write_labelled(tmp_path / "archive")
    kept = {"train": 24, "val": 6}
    for row in pq.read_table(manifest).to_pylist():
        if row["split"] == "test":
            for uri in row["image_uris"]:
                Path(uri).unlink()
    summary = train_here(labelled.options(tmp_path / "out", manifest=manifest, crops=None, epochs=1))
    assert summary["counts"] == kept | {"failed": 0}


def test_the_released_recipe_is_the_default(labelled: Archive, learners: list[loop.Learner], tmp_path: Path) -> None:
    """Adam at 1e-3 with torch's betas and epsilon and no weight decay, 30 epochs of the released rates, batches of 16,
    no clipping."""
    options = TrainOptions("m", "w", "o")
    assert (options.epochs, options.lr, options.batch_size, options.tune) == (30, 1e-3, 16, "side")
    assert (options.schedule, options.clip_norm, options.augment, options.sampling) == ("epoch", None, "all", "random")
    train_here(labelled.options(tmp_path, epochs=1))
    ((optimiser,),) = (learner.optimisers for learner in learners)
    assert type(optimiser) is torch.optim.Adam
    assert (optimiser.defaults["betas"], optimiser.defaults["eps"]) == ((0.9, 0.999), 1e-8)
    assert optimiser.defaults["weight_decay"] == 0
    assert not optimiser.defaults["amsgrad"]


def test_too_many_tracklets_that_cannot_be_read_stop_the_run(labelled: Archive, tmp_path: Path) -> None:
    manifest = write_labelled(tmp_path / "archive")
    for path in (tmp_path / "archive" / "stills").glob("00[0-3]-*.png"):
        path.unlink()
    options = {"manifest": manifest, "crops": None, "epochs": 1}
    with pytest.raises(ManifestError, match=r"4 of 30 .*'s000': image-not-found"):
        train_here(labelled.options(tmp_path / "out", **options))
    summary = train_here(labelled.options(tmp_path / "out", max_failure_rate=0.2, **options))
    assert summary["counts"] == {"train": 20, "val": 6, "failed": 4}
    assert SCHEMA.num_classes == 5


def test_every_change_below_the_output_asks_whether_the_run_holds_it(labelled: Archive, tmp_path: Path) -> None:
    with changes_below(str(tmp_path / "out")) as heard:
        train_here(labelled.options(tmp_path / "out", epochs=1))
    assert not_asked_for(heard) == []
    names = {Path(path).name for what, path in heard if what in ("os.rename", "os.remove") and path}
    assert "_job.json" in names
    assert len([what for what, _ in heard if what == "os.rename"]) >= 8  # claim, crops, checkpoint, weights, records


@pytest.mark.slow
def test_a_role_that_may_not_delete_can_train(
    labelled: Archive, tmp_path: Path, undeletable: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What stays beside run.json is said once, and the same command finds the run complete."""
    options = labelled.options(f"{undeletable}/out", epochs=1, crops=str(tmp_path / "crops"))
    summary = train_here(options)
    said = [line for line in capsys.readouterr().err.splitlines() if "s3:DeleteObject" in line]
    assert len(said) == 1
    assert said[0].startswith(f"parjob: warning: {undeletable}/out is complete; _job.json stays beside the results")
    assert {"_job.json", "_lock", "run.json"} <= {storage.name(f.uri) for f in storage.list_files(options.output)}
    assert train_here(options) == summary
    assert capsys.readouterr().err.splitlines() == [f"parjob: {undeletable}/out is complete: 1 epochs; nothing to do"]
    with pytest.raises(OutputError, match="differs in lr"):
        train_here(labelled.options(f"{undeletable}/out", epochs=1, lr=0.5, crops=str(tmp_path / "crops")))
