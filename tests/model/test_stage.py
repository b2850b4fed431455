"""The model stage: outcomes in order, whatever the batch, and one tracklet's failure is its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from par_model.errors import FailureCode, UsageError
from par_model.model import stage as stage_module
from par_model.model.stage import RecogniseStage
from par_model.model.weights import load_weights
from par_model.types import Crops, Failure, Prediction
from tests.tiny import write_tiny_weights


def make_crops(row: int, frames: int = 3, size: tuple[int, int] = (64, 32)) -> Crops:
    pixels = np.random.default_rng(row).integers(0, 256, (frames, *size, 3), dtype=np.uint8)
    return Crops(
        row=row,
        tracklet_id=f"t{row}",
        num_frames=frames + 10,
        sampled_frames=np.arange(frames, dtype=np.int32),
        pixels=pixels,
    )


def test_scores_are_the_sigmoid_of_the_normalised_crops_logits(tiny_weights: Path) -> None:
    crops = make_crops(7)
    (outcome,) = RecogniseStage(str(tiny_weights), device="cpu", batch_size=4)([crops])
    recogniser, header = load_weights(str(tiny_weights))
    frames = torch.from_numpy(crops.pixels).permute(0, 3, 1, 2)[None] / 255
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (header.preprocess.mean, header.preprocess.std))
    with torch.no_grad():
        expected = torch.sigmoid(recogniser((frames - mean) / std))[0].numpy()
    assert isinstance(outcome, Prediction)
    np.testing.assert_allclose(outcome.scores, expected, atol=1e-6)
    assert (outcome.row, outcome.tracklet_id, outcome.num_frames) == (7, "t7", 13)
    assert outcome.scores.dtype == np.float32
    assert outcome.scores.shape == (header.schema.num_classes,)
    assert outcome.embedding is None


def test_outcomes_keep_their_order_and_do_not_depend_on_the_batch(tiny_weights: Path) -> None:
    batch = [make_crops(row, frames=1 + row % 3) for row in range(9)]
    one, many = (RecogniseStage(str(tiny_weights), device="cpu", batch_size=n, embedding=True) for n in (1, 5))
    alone, together = one(batch), many(batch)
    assert [outcome.row for outcome in together] == list(range(9))
    for a, b in zip(alone, together, strict=True):
        assert isinstance(a, Prediction)
        assert isinstance(b, Prediction)
        np.testing.assert_allclose(a.scores, b.scores, atol=1e-6)
        assert a.embedding is not None
        assert b.embedding is not None
        np.testing.assert_allclose(a.embedding, b.embedding, atol=1e-6)
    spread = np.ptp([outcome.scores for outcome in together if isinstance(outcome, Prediction)], axis=0)
    assert spread.max() > 0.01, "the test weights must tell crops apart"


def test_the_embedding_is_the_mean_of_normalised_frame_embeddings_normalised(tiny_weights: Path) -> None:
    crops = make_crops(1)
    (outcome,) = RecogniseStage(str(tiny_weights), device="cpu", batch_size=1, embedding=True)([crops])
    recogniser, header = load_weights(str(tiny_weights))
    mean, std = (np.array(v, np.float32) for v in (header.preprocess.mean, header.preprocess.std))
    frames = torch.from_numpy((crops.pixels / np.float32(255) - mean) / std).permute(0, 3, 1, 2)
    with torch.no_grad():
        _, each = recogniser.backbone(frames, [0], embed=True)
    assert each is not None
    unit = (each / each.norm(dim=-1, keepdim=True)).mean(dim=0)
    assert isinstance(outcome, Prediction)
    assert outcome.embedding is not None
    np.testing.assert_allclose(outcome.embedding, unit / unit.norm(), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(outcome.embedding), 1, atol=1e-6)


def test_a_tracklet_that_the_model_cannot_take_fails_alone(tiny_weights: Path) -> None:
    batch = [make_crops(0), make_crops(1, frames=4), make_crops(2, size=(32, 32)), make_crops(3)]
    ok, too_many, wrong_size, last = RecogniseStage(str(tiny_weights), device="cpu", batch_size=4)(batch)
    assert isinstance(ok, Prediction)
    assert isinstance(last, Prediction)
    assert isinstance(too_many, Failure)
    assert too_many.code is FailureCode.MODEL_ERROR
    assert "at most 3" in too_many.message
    assert isinstance(wrong_size, Failure)
    assert "32x32" in wrong_size.message
    assert "64x32" in wrong_size.message


def test_an_exception_on_a_batch_is_retried_one_by_one(tiny_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = RecogniseStage(str(tiny_weights), device="cpu", batch_size=4)
    recognise, sizes = stage.recogniser.recognise, []

    def poisoned(frames: torch.Tensor, **options: Any) -> Any:
        sizes.append(len(frames))
        if len(frames) > 1 or frames.mean() > 0.9:
            raise RuntimeError("out of\nmemory")
        return recognise(frames, **options)

    monkeypatch.setattr(stage, "_network", poisoned)
    bright = make_crops(1)
    bright.pixels[:] = 255
    outcomes = stage([make_crops(0), bright, make_crops(2)])
    assert sizes == [3, 1, 1, 1]
    assert [type(outcome) for outcome in outcomes] == [Prediction, Failure, Prediction]
    assert isinstance(outcomes[1], Failure)
    assert outcomes[1].message == "RuntimeError: out of memory"


def test_scores_that_are_not_finite_fail_their_tracklet(tmp_path: Path) -> None:
    uri = write_tiny_weights(tmp_path / "w.safetensors")
    stage = RecogniseStage(uri, device="cpu", batch_size=2)
    recognise = stage.recogniser.recognise

    def half_broken(frames: torch.Tensor, **options: Any) -> Any:
        logits, embeddings = recognise(frames, **options)
        logits[1, 0] = float("nan")
        return logits, embeddings

    stage._network = half_broken
    first, second = stage([make_crops(0), make_crops(1)])
    assert isinstance(first, Prediction)
    assert isinstance(second, Failure)
    assert second.code is FailureCode.MODEL_ERROR
    assert "finite" in second.message


def test_bf16_is_close_to_fp32_and_auto_is_fp32_on_a_cpu(tiny_weights: Path) -> None:
    full, half = (RecogniseStage(str(tiny_weights), device="cpu", precision=p) for p in ("auto", "bf16"))
    assert full.precision == "fp32"
    (a,), (b,) = full([make_crops(0)]), half([make_crops(0)])
    assert isinstance(a, Prediction)
    assert isinstance(b, Prediction)
    np.testing.assert_allclose(a.scores, b.scores, atol=0.03)
    assert b.scores.dtype == np.float32


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("most_pinned", [0, 1 << 28])
def test_a_gpu_gives_each_batch_its_own_scores(
    tiny_weights: Path, monkeypatch: pytest.MonkeyPatch, most_pinned: int
) -> None:
    """Small and large batches in turn, through memory that is used again."""
    monkeypatch.setattr(stage_module, "_MOST_PINNED", most_pinned)
    on_cpu = RecogniseStage(str(tiny_weights), device="cpu")
    on_gpu = RecogniseStage(str(tiny_weights), device="cuda", precision="fp32")
    for count in (2, 7, 1, 7):
        batch = [make_crops(10 * count + n) for n in range(count)]
        for expected, found in zip(on_cpu(batch), on_gpu(batch), strict=True):
            assert isinstance(expected, Prediction)
            assert isinstance(found, Prediction)
            np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_cuda_without_a_gpu_is_a_usage_error(tiny_weights: Path) -> None:
    with pytest.raises(UsageError, match="no GPU"):
        RecogniseStage(str(tiny_weights), device="cuda")


@pytest.mark.slow
@pytest.mark.timeout(900)  # a C++ compiler takes a minute on an idle machine
def test_a_compiled_stage_gives_the_same_scores(tiny_weights: Path) -> None:
    batch = [make_crops(row) for row in range(3)]
    plain, compiled = (RecogniseStage(str(tiny_weights), device="cpu", batch_size=3, compile=c) for c in (False, True))
    for a, b in zip(plain(batch), compiled(batch), strict=True):
        assert isinstance(a, Prediction)
        assert isinstance(b, Prediction)
        np.testing.assert_allclose(a.scores, b.scores, atol=1e-5)


def test_a_compiler_that_is_missing_stops_the_job(tiny_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("no C++ compiler found\nand a long story")

    monkeypatch.setattr(torch, "compile", lambda _: broken)
    with pytest.raises(UsageError, match=r"made no kernels here \(no C\+\+ compiler found\)"):
        RecogniseStage(str(tiny_weights), device="cpu", compile=True)


def test_an_empty_batch_gives_nothing(tiny_weights: Path) -> None:
    assert RecogniseStage(str(tiny_weights), device="cpu")([]) == []
