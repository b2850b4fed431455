"""The functions that ``import par_model`` offers beside the types: reading, recognising, jobs, scores and labels.

Heavy libraries are imported when a function that needs them is called.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from par_model.choices import DECODE_BUDGET, Policy
from par_model.errors import TrackletError, UsageError
from par_model.sampling import Sampling
from par_model.types import Crops, Failure, Outcome, RawCrops, Tracklet

if TYPE_CHECKING:
    import pyarrow as pa

    from par_model.attributes import AttributeSchema
    from par_model.labelling.apply import Applied
    from par_model.labelling.choose import Chosen
    from par_model.manifest.check import Defect
    from par_model.model.device import Device, Precision
    from par_model.model.stage import RecogniseStage
    from par_model.video.options import DecodeOptions


def read_tracklets(
    manifest: str, *, split: str | None = None, limit: int | None = None
) -> Iterator[Tracklet | Failure]:
    """The tracklets of a manifest in its order; a row that is none comes as a Failure that says why.

    manifest: a Parquet file, folder or pattern, local or remote. split, limit: only rows of this split, only so many.

    Raises ManifestError where it is no manifest or its rows are ambiguous, StorageError where it cannot be read.

        for tracklet in par_model.read_tracklets("tracklets.parquet", limit=10):
            print(tracklet.tracklet_id, tracklet.num_frames)
    """
    from par_model.manifest import TRACKLET_COLUMNS, Manifest, refuse_ambiguous
    from par_model.manifest.selection import Selection
    from par_model.manifest.tracklets import tracklets

    opened = Manifest.open(manifest)
    refuse_ambiguous(opened, None)
    for rows in Selection(split, limit).batches(opened, TRACKLET_COLUMNS):
        for batch in rows.to_batches():
            yield from tracklets(batch)


def check_manifest(manifest: str, schema: AttributeSchema | None = None) -> list[Defect]:
    """Every defect of a manifest, in row order; an empty list if it has none.

    schema: that of its labels, and of the table that is to be made. Raises ManifestError, StorageError.

        for defect in par_model.check_manifest("tracklets.parquet"):
            print(defect.row, defect.tracklet_id, defect.code, defect.message)
    """
    from par_model.manifest import Manifest
    from par_model.manifest.check import check

    return list(check(Manifest.open(manifest), schema))


def read_crops(
    tracklet: Tracklet,
    *,
    frames: int = 6,
    sampling: Policy = "uniform",
    decode_budget: float = DECODE_BUDGET,
    seed: int = 0,
    decode: DecodeOptions | None = None,
) -> RawCrops:
    """What the sampled frames of a tracklet show inside its boxes: ``images``, RGB uint8 [h, w, 3], each of its own
    size, and the ``sampled_frames`` that they are of.

    Raises TrackletError, with its code, where a frame cannot be read.

        crops = par_model.read_crops(tracklet, frames=3)
        PIL.Image.fromarray(crops.images[0]).show()
    """
    from par_model.video.stage import DecodeStage

    stage = DecodeStage(None, Sampling(sampling, frames, seed, decode_budget), decode)
    (found,) = stage([tracklet])
    if isinstance(found, Failure):
        raise TrackletError(found.code, found.message)
    return found


def recognise(
    tracklets: Iterable[Tracklet | RawCrops | Failure],
    weights: str | RecogniseStage = "demo",
    *,
    frames: int | None = None,
    sampling: Policy = "uniform",
    decode_budget: float = DECODE_BUDGET,
    seed: int = 0,
    device: Device = "auto",
    precision: Precision = "auto",
    batch_size: int = 16,
    embedding: bool = False,
    decode: DecodeOptions | None = None,
) -> pa.Table:
    """Recognise tracklets, or crops that one has already, in this process: a row each, in the order given.

    weights: a weights file, or ``demo``; or a RecogniseStage that holds them already, with its own ``device``,
    ``precision``, ``batch_size`` and ``embedding``. frames: how many of each the network sees, from the weights unless
    given. The columns are the attribute table's: ``tracklet_id``, ``status``, ``error``, ``message``, each group and
    its score, ``scores``, ``sampled_frames``, ``num_frames``, ``model_id``, ``run_id``, and with ``embedding`` that.
    What cannot be read or recognised, and a Failure of ``read_tracklets``, is a row with status ``failed``.

    Raises WeightsError, UsageError.

        table = par_model.recognise(par_model.read_tracklets("tracklets.parquet", limit=10))
        print(table.select(["tracklet_id", "status", "top_color"]).to_pandas())
    """
    import pyarrow as pa

    from par_model.inference.wire import Work, outcomes_to_table
    from par_model.model.stage import RecogniseStage
    from par_model.table.results import Reading, table_results
    from par_model.table.schema import table_schema

    if isinstance(weights, str):
        stage = RecogniseStage(weights, device=device, precision=precision, batch_size=batch_size, embedding=embedding)
    else:
        stage = weights
    header = stage.header
    wanted = frames or header.config.frames
    if sampling != "all":
        header.config.check_frames(wanted)
    schema = table_schema([], header.schema, embedding=stage.embedding)
    numbered = [replace(one, row=row) for row, one in enumerate(tracklets)]
    if not numbered:
        return schema.empty_table()
    chosen = Sampling(sampling, wanted, seed, decode_budget)
    outcomes = sorted(_outcomes(numbered, stage, chosen, decode), key=lambda o: o.row)
    table = outcomes_to_table(outcomes, Work())
    table = table.append_column("run_id", pa.nulls(len(table), pa.string()))
    reading = Reading(header.schema, header.thresholds, header.trained, header.model_id)
    return table_results(table.select(["tracklet_id"]), table, reading, schema)


def _outcomes(
    items: Sequence[Tracklet | RawCrops | Failure],
    stage: RecogniseStage,
    sampling: Sampling,
    decode: DecodeOptions | None,
) -> Iterator[Outcome]:
    """One outcome each, in no order."""
    waiting: list[Crops] = []
    for found in _crops(items, stage, sampling, decode):
        if isinstance(found, Failure):
            yield found
            continue
        waiting.append(found)
        if len(waiting) == stage.batch_size:
            yield from stage(waiting)
            waiting = []
    yield from stage(waiting)


def _crops(
    items: Sequence[Tracklet | RawCrops | Failure],
    stage: RecogniseStage,
    sampling: Sampling,
    decode: DecodeOptions | None,
) -> Iterator[Crops | Failure]:
    from par_model.video.fit import fit_raw_crops
    from par_model.video.stage import DecodeStage

    preprocess = stage.header.preprocess
    yield from (fit_raw_crops(item, preprocess, sampling) for item in items if isinstance(item, RawCrops))
    # By video, so that each is read once.
    others = [item for item in items if not isinstance(item, RawCrops)]
    others.sort(key=lambda item: "" if isinstance(item, Failure) else item.video_uri or "")
    yield from DecodeStage(preprocess, sampling, decode)(others)


def infer(
    manifest: str,
    weights: str,
    output: str,
    *,
    ray: bool = False,
    address: str | None = None,
    device: Device = "auto",
    retry_failed: bool = False,
    add: bool = False,
    **options: Any,
) -> dict[str, Any]:
    """Run the job ``parjob infer``: recognise a manifest into a table at ``output``, and return its run.json.

    ray: on a local Ray, or the one at ``address`` or RAY_ADDRESS; without, in this process. options: further fields of
    ``par_model.inference.options.InferOptions``, such as ``frames``, ``embedding``, ``partition_by``. The same call
    again goes on where an interrupted one stopped.

    Raises ParError: its subclasses say whether the manifest, the weights, the output or the storage is at fault.

        record = par_model.infer("tracklets.parquet", "demo", "out", limit=100)
        print(record["counts"])
    """
    from par_model.inference.job import run_inference
    from par_model.inference.kinds import Add, FirstRun, Kind, Retry
    from par_model.inference.local import LocalRunner
    from par_model.inference.options import InferOptions

    if retry_failed and add:
        raise UsageError("retry_failed and add are two runs: give one, then the other")
    wanted = InferOptions(manifest, weights, output, **options)
    kind: Kind = Retry() if retry_failed else Add() if add else FirstRun()
    if not ray and address is None:
        return run_inference(wanted, lambda: nullcontext(LocalRunner(device)), kind)
    from par_model.cluster.inference import ray_runner

    return run_inference(wanted, lambda: ray_runner(address, device, None, None), kind)


def track(
    videos: str | Sequence[str],
    detector: str,
    output: str,
    *,
    ray: bool = False,
    address: str | None = None,
    device: Device = "auto",
    retry_failed: bool = False,
    decode: DecodeOptions | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Run the job ``parjob track``: find people in videos, follow them, and write a manifest of tracklets at
    ``output``; return what ran, with the manifest's address as ``manifest``.

    videos: a video, a folder or a pattern, or several of them. detector: a name, a file or ``demo``. ray, address: as
    ``infer`` has them. options: further options of the command by their names: the fields of ``TrackOptions``,
    ``FollowOptions`` and ``JoinOptions`` of ``par_model.tracking.options``, such as ``every``, ``min_score``,
    ``tracker``, ``join``. The same call again goes on where an interrupted one stopped. A video that cannot be read is
    a row of _videos.parquet with status ``failed``.

    Raises ParError: UsageError also where libraries of ``pip install 'par-model[track]'`` are missing.

        made = par_model.track("videos", "demo", "tracked", every=2)
        table = par_model.recognise(par_model.read_tracklets(made["manifest"]))
    """
    from par_model.options import taken
    from par_model.tracking.job import run_tracking
    from par_model.tracking.options import FollowOptions, JoinOptions, TrackOptions
    from par_model.tracking.runner import LocalTracking
    from par_model.video.options import DecodeOptions

    wanted = TrackOptions(
        videos=(videos,) if isinstance(videos, str) else tuple(videos),
        detector=detector,
        output=output,
        follow=taken(FollowOptions, options),
        join=taken(JoinOptions, options),
        decode=decode or DecodeOptions(),
        **options,
    )
    if not ray and address is None:
        return run_tracking(wanted, lambda: nullcontext(LocalTracking(device)), retry_failed=retry_failed)
    from par_model.cluster.tracking import tracking_runner

    return run_tracking(wanted, lambda: tracking_runner(address, device, None, None), retry_failed=retry_failed)


def evaluate(manifest: str, predictions: str, output: str, **options: Any) -> dict[str, Any]:
    """Score a table against a manifest's labels, by the paper's protocol and beyond it; return what metrics.json holds.

    options: further fields of ``par_model.evaluation.options.EvaluateOptions``: ``threshold``, ``split``, ``schema``,
    ``resamples``, ``seed``. Raises ParError.

        print(par_model.evaluate("tracklets.parquet", "out", "scores")["paper"])
    """
    from par_model.evaluation.job import run_evaluation
    from par_model.evaluation.options import EvaluateOptions

    return run_evaluation(EvaluateOptions(manifest, predictions, output, **options))


def choose_tracklets(manifest: str, output: str, **options: Any) -> Chosen:
    """Choose the tracklets of a manifest whose labels would help most, and write them as a manifest of their own, as
    ``parjob label choose`` does; return how many of what were chosen, and what was left out.

    options: further fields of ``par_model.labelling.options.ChooseOptions``, such as ``predictions``, the output of
    ``infer`` with ``embedding``, ``count``, ``by``, ``per_person``, ``seed``. Raises ParError.

        par_model.infer("m.parquet", "demo", "out", embedding=True)
        print(par_model.choose_tracklets("m.parquet", "chosen.parquet", predictions="out", count=100).by)
    """
    from par_model.labelling.choose import run_choose
    from par_model.labelling.options import ChooseOptions

    return run_choose(ChooseOptions(manifest, output, **options))


def apply_answers(manifest: str, answers: str | Sequence[str], output: str, **options: Any) -> Applied:
    """Make labels of people's answers, as ``parjob label apply`` does, and write the manifest with them; return how far
    people agree, and what was left without a majority.

    answers: files that the page of ``parjob label page`` saved, or others of that form. options: further fields of
    ``par_model.labelling.options.ApplyOptions``: ``schema``, ``split_shares`` (of train, val and test), ``split_by``,
    ``seed``. Raises ParError; then nothing was written.

        applied = par_model.apply_answers("m.parquet", ["answers-eva.json", "answers-tom.json"], "labelled.parquet")
        print(applied.labelled, [(found.group, found.kappa) for found in applied.agreements])
    """
    from par_model.labelling.apply import run_apply
    from par_model.labelling.options import ApplyOptions

    files = (answers,) if isinstance(answers, str) else tuple(answers)
    return run_apply(ApplyOptions(manifest, output, files, **options))
