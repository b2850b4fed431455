"""``manifest check --videos``: a line for each thing that rows and videos do not agree in, and none for right ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from par_model.cli import main
from par_model.manifest import write_manifest
from tests.archive import video_row, write_archive
from tests.manifest.examples import box
from tests.video.frame_numbers import HEIGHT, WIDTH, write_clip


def check(uri: str, *options: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["manifest", "check", uri, *options])
    assert isinstance(caught.value.code, int)
    return caught.value.code


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A right manifest of two clips of 60 frames, and their folder."""
    folder = tmp_path_factory.mktemp("archive")
    return write_archive(folder), folder


def manifest(tmp_path: Path, rows: list[dict[str, Any]]) -> str:
    path = str(tmp_path / "m.parquet")
    write_manifest(path, rows)
    return path


def test_a_right_manifest_is_not_spoken_of(archive: tuple[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert check(archive[0], "--videos") == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "2 videos; 0.0% of 182 boxes lie partly outside the picture\n10 rows, 0 defects\n"
    assert check(archive[0], "--videos", "--limit", "1", "--decode") == 0
    assert capsys.readouterr().err.startswith("1 video of 2; 0.0% of ")


def test_rows_that_do_not_fit_their_video_are_named(
    archive: tuple[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = (str(archive[1] / name) for name in ("a.mp4", "b.mp4"))
    outside = [box(4, 8, 40, 80), box(300, 8, 40, 80), box(-50, 8, 40, 80)]
    rows = [
        video_row("ok", a, range(5)),
        video_row("late", a, [58, 59, 60]),
        video_row("gone", str(tmp_path / "none.mp4"), range(3)),
        video_row("away", b, [1, 2, 3], boxes=outside),
        video_row("whole", b, [1, 2, 3], boxes=None),
        {"tracklet_id": "still", "image_uris": ["/1.jpg"]},
    ]
    uri = manifest(tmp_path, rows)
    assert check(uri) == 0
    capsys.readouterr()
    assert check(uri, "--videos") == 1
    captured = capsys.readouterr()
    # Manifests are clustered by video: ok, late, away, whole, gone.
    none = f"{tmp_path}/none.mp4"
    assert captured.out.splitlines() == [
        f"row 1\tlate\tframe-beyond-end\tframe 60, but the last frame of {a} is 59",
        "row 2\taway\tboxes-outside\t2 of 3 boxes lie wholly outside the picture of 256x96 pixels",
        f"row 2\taway\tboxes-outside\t{b}: 1 of 3 boxes reach far beyond the right or bottom edge of the picture of "
        "256x96 pixels",
        f"row 4\tgone\tnot-readable\t{none}: cannot read {none}: there is no such file or folder",
    ]
    assert captured.err == "3 videos; 18.2% of 11 boxes lie partly outside the picture\n6 rows, 4 defects\n"
    assert check(uri, "--videos", "--json") == 1
    document = json.loads(capsys.readouterr().out)
    assert document["count"] == 4
    assert document["defects"][0]["code"] == "frame-beyond-end"


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("boxes-relative", lambda x, y, w, h: (x / WIDTH, y / HEIGHT, w / WIDTH, h / HEIGHT)),
        ("boxes-corners", lambda x, y, w, h: (x, y, x + w, y + h)),
        ("boxes-outside", lambda x, y, w, h: (1.5 * x, 1.5 * y, 1.5 * w, 1.5 * h)),
    ],
)
def test_boxes_in_other_measures_are_named_once_a_video(
    code: str, change: Any, archive: tuple[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    boxes = [box(*change(x, 8.0, 40.0, 80.0)) for x in (30.0, 80.0, 130.0)]
    rows = [video_row(f"t{i}", str(archive[1] / "a.mp4"), [0, 1, 2], boxes=boxes) for i in range(3)]
    assert check(manifest(tmp_path, rows), "--videos") == 1
    found = [line.split("\t")[:3] for line in capsys.readouterr().out.splitlines()]
    assert found == [["row 0", "t0", code]]


def test_videos_that_are_not_one_track_of_one_size_are_named(
    archive: tuple[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import av

    two = tmp_path / "two.mkv"
    with av.open(str(archive[1] / "a.mp4")) as source, av.open(str(two), "w") as copy:
        streams = [copy.add_stream_from_template(source.streams.video[0]) for _ in range(2)]
        for packet in source.demux(video=0):
            if packet.dts is None:
                continue
            pts, dts, base = packet.pts, packet.dts, packet.time_base
            for stream in streams:
                packet.pts, packet.dts, packet.time_base, packet.stream = pts, dts, base, stream
                copy.mux(packet)
    sizes = [
        write_clip(tmp_path / f"{width}.h264", 5, size=(width, 96), format="h264").read_bytes() for width in (240, 256)
    ]
    changing = tmp_path / "changing.h264"
    changing.write_bytes(b"".join(sizes))
    damaged = tmp_path / "damaged.mkv"
    write_clip(damaged, 60)
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 400] = bytes(400)
    damaged.write_bytes(data)
    rows = [video_row(name, str(tmp_path / name), [0, 1]) for name in ("two.mkv", "changing.h264", "damaged.mkv")]
    rows.append(video_row("told", str(tmp_path / "two.mkv"), [0, 1], video_stream=1))
    uri = manifest(tmp_path, rows)
    assert check(uri, "--videos") == 1
    assert [line.split("\t")[1:3] for line in capsys.readouterr().out.splitlines()] == [
        ["two.mkv", "several-video-streams"]
    ]
    assert check(uri, "--videos", "--decode") == 1
    lines = [line.split("\t")[1:] for line in capsys.readouterr().out.splitlines()]
    assert [line[:2] for line in lines] == [
        ["changing.h264", "size-changes"],
        ["damaged.mkv", "damaged"],
        ["two.mkv", "several-video-streams"],
    ]
    assert lines[0][2].endswith("from frame 5 on 256x96 pixels, 240x96 before")


def test_options_of_videos_need_videos(archive: tuple[str, Path]) -> None:
    assert check(archive[0], "--decode") == 2
    assert check(archive[0], "--limit", "3") == 2
    assert check(archive[0], "--videos", "--limit", "0") == 2
