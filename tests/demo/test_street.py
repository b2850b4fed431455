"""The rendered archive as its users see it: videos, manifest, labels, and that all of it comes again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from par_model.attributes import AttributeSchema
from par_model.cli import main
from par_model.demo.config import StreetConfig
from par_model.demo.street import render_street
from par_model.errors import StorageError, UsageError
from par_model.manifest.check import check
from par_model.manifest.exporters.cvat import CvatVideo, cvat_tracks, write_cvat
from par_model.manifest.read import Manifest
from par_model.manifest.schema import COLUMNS
from tests.demo.conftest import Rendered


def test_manifest_has_the_documented_columns(street: Rendered, schema: AttributeSchema) -> None:
    table = pq.read_table(street.manifest)
    types = {field.name: field.type for field in table.schema}
    assert types["frame_indices"] == pa.list_(pa.int32())
    assert types["boxes"] == pa.list_(pa.struct([(name, pa.float32()) for name in "xywh"]))
    assert types["start_time"] == pa.timestamp("ms", tz="UTC")
    assert types["labels"] == pa.list_(pa.int8())
    assert types["person_id"] == pa.string()
    assert types["visible"] == pa.list_(pa.int32())
    assert types["hidden_frames"] == pa.int32()
    assert table.schema.metadata[b"par.schema"].decode() == schema.to_toml()
    assert table.num_rows >= 8


def test_manifest_check_finds_no_defect(street: Rendered, schema: AttributeSchema) -> None:
    assert list(check(Manifest.open(str(street.manifest)), schema)) == []


def test_videos_have_the_configured_frames(street: Rendered) -> None:
    videos = sorted((street.folder / "videos").iterdir())
    assert [path.name for path in videos] == ["crossing.mp4", "market.mp4"]
    for path in videos:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            assert (stream.width, stream.height, stream.average_rate) == (640, 360, 10)
            assert stream.codec_context.name == "h264"
            assert sum(1 for _ in container.decode(video=0)) == 30


def test_rows_are_clustered_and_name_their_video(street: Rendered) -> None:
    table = pq.read_table(street.manifest)
    uris = table["video_uri"].to_pylist()
    assert uris == sorted(uris)
    assert {Path(uri) for uri in uris} == {street.folder / "videos" / f"{n}.mp4" for n in ("crossing", "market")}
    assert [Path(uri).stem for uri in uris] == table["camera_id"].to_pylist()


def test_frames_boxes_and_counts_fit_each_other(street: Rendered, schema: AttributeSchema) -> None:
    for row in pq.read_table(street.manifest).to_pylist():
        frames, boxes = row["frame_indices"], row["boxes"]
        assert len(frames) == len(boxes) >= street.config.min_boxes
        assert frames[0] >= 0
        assert frames[-1] < street.config.num_frames
        for box in boxes:
            assert box["x"] >= 0
            assert box["y"] >= 0
            assert box["x"] + box["w"] <= 640.001
            assert box["y"] + box["h"] <= 360.001
        assert len(row["visible"]) == len(row["labels"]) == schema.num_classes
        assert all(0 <= count <= len(frames) for count in row["visible"])
        assert 0 <= row["hidden_frames"] <= frames[-1] - frames[0] + 1
        for group, span in schema.spans():
            if group.kind == "exclusive":
                assert sum(row["labels"][span]) == 1
                assert len(set(row["visible"][span])) == 1


def test_start_time_is_the_first_frames(street: Rendered) -> None:
    for row in pq.read_table(street.manifest).to_pylist():
        hour, minute = {"market": (11, 0), "crossing": (8, 30)}[row["camera_id"]]
        begin = datetime(2024, 5, 14, hour, minute, tzinfo=UTC)
        assert (row["start_time"] - begin).total_seconds() == pytest.approx(row["frame_indices"][0] / 10)


def test_progress_ends_with_all_frames(street: Rendered) -> None:
    assert street.progress[-1] == (60, 60)
    assert street.progress == sorted(street.progress)


def test_the_same_configuration_gives_the_same_files(street: Rendered, tmp_path: Path) -> None:
    """Also when other processes render it."""
    again = render_street(street.config, tmp_path, workers=2)
    for name in ("market", "crossing"):
        first, second = (folder / "videos" / f"{name}.mp4" for folder in (street.folder, tmp_path))
        assert first.read_bytes() == second.read_bytes()
    without_place = [pq.read_table(path).drop_columns("video_uri") for path in (street.manifest, again)]
    assert without_place[0].equals(without_place[1])


def test_another_seed_gives_other_people(street: Rendered, tmp_path: Path) -> None:
    short = replace(street.config, seed=2, cameras=1, seconds=0.8)
    other = pq.read_table(render_street(short, tmp_path, workers=1))
    mine = pq.read_table(street.manifest).filter(pa.compute.field("camera_id") == "market")
    assert other["labels"].to_pylist()[:5] != mine["labels"].to_pylist()[:5]


WORK = """
name = "work"
[[groups]]
name = "vest"
kind = "binary"
text = "a vest"
[[groups]]
name = "gait"
kind = "exclusive"
classes = [{ value = "running", text = "r" }, { value = "walking", text = "w" }, { value = "standing", text = "s" }]
"""


def test_labels_can_be_of_another_schema(street: Rendered, schema: AttributeSchema, tmp_path: Path) -> None:
    """The people are the same, whatever is labelled of them."""
    short = replace(street.config, cameras=1, vest_share=0.4)
    work = AttributeSchema.parse(WORK, "test")
    other = pq.read_table(render_street(short, tmp_path, schema=work, workers=1))
    mine = pq.read_table(street.manifest).filter(pa.compute.field("camera_id") == "market")
    assert other["tracklet_id"] == mine["tracklet_id"]
    walking, running, standing = (schema.score_fields.index(f"gait_{g}") for g in ("walking", "running", "standing"))
    assert [row[1:] for row in other["labels"].to_pylist()] == [
        [row[running], row[walking], row[standing]] for row in mine["labels"].to_pylist()
    ]
    assert {row[0] for row in other["labels"].to_pylist()} == {0, 1}
    assert Manifest.open(str(tmp_path / "manifest.parquet")).label_schema == work
    with pytest.raises(UsageError, match="no street shows 'umbrella'; it shows top_color, "):
        render_street(short, tmp_path, schema=AttributeSchema.parse(WORK.replace("gait", "umbrella"), "test"))


def test_a_person_is_in_one_split(street: Rendered) -> None:
    pairs = pq.read_table(street.manifest, columns=["person_id", "split"]).to_pylist()
    splits: dict[str, set[str]] = {}
    for pair in pairs:
        splits.setdefault(pair["person_id"], set()).add(pair["split"])
    assert all(len(found) == 1 for found in splits.values())
    assert set().union(*splits.values()) <= {"train", "val", "test"}


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here first")
    with pytest.raises(StorageError, match="choose another folder"):
        render_street(StreetConfig(seconds=1), tmp_path / "file", workers=1)


def test_labels_agree_with_decoded_pixels(street: Rendered, schema: AttributeSchema) -> None:
    """Over the frames of a tracklet, what the video shows at chest height has the label's hue, hair and bags or not."""
    # The channel that is strongest or weakest in the colour.
    mark = {"red": (0, 1), "green": (1, 1), "blue": (2, 1), "purple": (1, -1), "yellow": (2, -1), "orange": (2, -1)}
    pictures = {path: _decode(path) for path in (street.folder / "videos").iterdir()}
    right = []
    for row in pq.read_table(street.manifest).to_pylist():
        worn = {name for name, label in zip(schema.score_fields, row["labels"], strict=True) if label}
        colour = next((c for c in mark if f"top_color_{c}" in worn), None)
        if colour is None or row["hidden_frames"] > 2 or row["visible"][0] < 0.8 * len(row["boxes"]):
            continue
        patches = []
        for frame, box in zip(row["frame_indices"], row["boxes"], strict=True):
            x, y, reach = box["x"] + box["w"] / 2, box["y"] + 0.32 * box["h"], max(2, box["h"] / 20)
            rows, columns = (slice(round(at - reach), round(at + reach)) for at in (y, x))
            patches.append(np.median(pictures[Path(row["video_uri"])][frame][rows, columns], axis=(0, 1)))
        channel, sign = mark[colour]
        right.append(int((sign * np.median(patches, axis=0)).argmax()) == channel)
    assert len(right) >= 4
    assert np.mean(right) >= 0.75


def _decode(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_the_manifest_goes_to_cvats_xml_and_comes_back_equal(
    street: Rendered, schema: AttributeSchema, tmp_path: Path
) -> None:
    """Ids, frames, boxes, labels, cameras and times; the splits have no place in CVAT."""
    known = set(COLUMNS.names) - {"split"}
    names = [name for name in pq.read_schema(street.manifest).names if name in known]
    before = pq.read_table(street.manifest).select(names)
    after = []
    for uri, tracks in cvat_tracks(Manifest.open(str(street.manifest))).items():
        first = next(row for row in before.to_pylist() if row["video_uri"] == uri)
        start = first["start_time"] - timedelta(milliseconds=round(1000 * first["frame_indices"][0] / 10))
        camera = first["camera_id"]
        with (tmp_path / f"{camera}.xml").open("wb") as file:
            write_cvat(file, tracks, CvatVideo(f"{camera}.mp4", 640, 360, street.config.num_frames), schema=schema)
        given = ["--video", uri, "--tracks", f"{tmp_path}/{camera}.xml", "--output", f"{tmp_path}/{camera}.parquet"]
        given += ["--schema", "street", "--camera", camera, "--start-time", start.isoformat()]
        with pytest.raises(SystemExit) as caught:
            main(["manifest", "from-cvat", *given])
        assert caught.value.code == 0
        after.append(pq.read_table(tmp_path / f"{camera}.parquet", columns=names))
    assert pa.concat_tables(after).equals(before, check_metadata=True)
    assert pc.list_value_length(before["labels"]).unique().to_pylist() == [schema.num_classes]
