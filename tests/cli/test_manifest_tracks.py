"""``parjob manifest from-mot`` asks the video: what does not agree with it is refused with the option that mends it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from par_model import storage
from par_model.cli import main
from par_model.manifest import Manifest
from tests.video.frame_numbers import HEIGHT, WIDTH, write_clip

FRAMES = 60
Sides = tuple[float, float, float, float]


def run(*args: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["manifest", "from-mot", *args])
    assert isinstance(caught.value.code, int)
    return caught.value.code


def rows(uri: str) -> list[dict[str, Any]]:
    return [row for batch in Manifest.open(uri).iter_batches() for row in batch.to_pylist()]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_clip(tmp_path_factory.mktemp("clip") / "gate.mp4", FRAMES))


def boxes() -> dict[tuple[int, int], Sides]:
    """Two people who walk through the picture of 256x96, one to the right, one to the left."""
    found: dict[tuple[int, int], Sides] = {}
    for frame in range(FRAMES):
        found[frame, 1] = (4.0 * frame, 10.0, 20.0, 60.0)
        found[frame, 2] = (230.0 - 3 * frame, 30.0, 25.0, 64.0)
    return found


def text(
    change: Callable[[float, float, float, float], Sides] = lambda *sides: sides,
    first: int = 1,
    end: str = "1,-1,-1,-1",
) -> str:
    lines = [
        ",".join([str(frame + first), str(track), *(repr(side) for side in change(*sides)), end])
        for (frame, track), sides in boxes().items()
    ]
    return "\n".join(lines)


def write(tmp_path: Path, content: str, name: str = "tracks.txt") -> str:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return str(path)


def read_back(uri: str) -> dict[tuple[int, int], Sides]:
    return {
        (frame, int(row["tracklet_id"].rpartition("-")[2])): tuple(round(float(box[side]), 4) for side in "xywh")
        for row in rows(uri)
        for frame, box in zip(row["frame_indices"], row["boxes"], strict=True)
    }


def test_right_tracks_are_taken_box_by_box_without_a_word(
    clip: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = str(tmp_path / "m.parquet")
    assert run("--video", clip, "--tracks", write(tmp_path, text()), "--output", output) == 0
    assert capsys.readouterr().err == f"{output}: 2 tracklets, 120 boxes\n"
    assert read_back(output) == boxes()


@pytest.mark.parametrize(
    ("content", "advice", "options"),
    [
        (text(lambda x, y, w, h: (x / WIDTH, y / HEIGHT, w / WIDTH, h / HEIGHT)), "--relative", ["--relative"]),
        (text(lambda x, y, w, h: (x, y, x + w, y + h)), "--corners", ["--corners"]),
        (
            text(lambda x, y, w, h: (x / WIDTH, y / HEIGHT, (x + w) / WIDTH, (y + h) / HEIGHT)),
            "--relative",
            ["--relative", "--corners"],
        ),
        (text(lambda x, y, w, h: (2 * x, 2 * y, 2 * w, 2 * h)), "--tracks-size", ["--tracks-size", "512x192"]),
        (text(lambda x, y, w, h: (1.5 * x, y, 1.5 * w, h)), "--tracks-size", ["--tracks-size", "384x96"]),
        (text(first=0), "--first-frame 0", ["--first-frame", "0"]),
        (text(end="0.9,0,-1") + "\n1,3,5,5,9,9,0.9,2,-1", "--people", ["--people", "0"]),
    ],
    ids=["shares", "corners", "corners in shares", "enlarged", "widened", "from 0", "classes"],
)
def test_another_measure_is_refused_with_the_option_that_mends_it(
    content: str, advice: str, options: list[str], clip: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "m.parquet"
    given = ["--video", clip, "--tracks", write(tmp_path, content), "--output", str(output)]
    assert run(*given) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert advice in error
    assert not output.exists()
    assert run(*given, *options) == 0
    assert read_back(str(output)) == boxes()


def test_shares_of_no_picture_and_sizes_that_are_none_are_refused(
    clip: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--video", clip, "--tracks", write(tmp_path, text()), "--output", str(tmp_path / "m.parquet")]
    assert run(*given, "--relative") == 1
    assert "a side of 236 is no share of a picture" in capsys.readouterr().err
    assert run(*given, "--relative", "--tracks-size", "512x192") == 2
    assert run(*given, "--tracks-size", "512") == 2
    assert "'512' is not a width and height such as 1920x1080" in capsys.readouterr().err
    assert run(*given, "--people", "person") == 2
    assert run(*given, "--videos", str(tmp_path)) == 2
    assert "--video and --videos exclude each other" in capsys.readouterr().err
    assert run(*given[2:]) == 2
    assert "give --video or set PARJOB_MANIFEST_FROM_MOT_VIDEO" in capsys.readouterr().err
    for name in ("--camera", "--id-prefix"):
        assert run(*given, name, "") == 2
        assert f"{name} is empty: give a name, or leave the option out" in capsys.readouterr().err


def test_middles_are_sent_to_the_importer_that_takes_them(
    clip: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    middles = write(tmp_path, text(lambda x, y, w, h: (x + w / 2, y + h / 2, w, h)))
    assert run("--video", clip, "--tracks", middles, "--output", str(tmp_path / "m.parquet")) == 1
    assert "if their first two numbers were their middle; are they? Then give the columns a header" in (
        capsys.readouterr().err
    )


def test_frames_beyond_the_end_are_refused_with_the_last_there_is(
    clip: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--video", clip, "--tracks", write(tmp_path, text(first=21)), "--output", str(tmp_path / "m.parquet")]
    assert run(*given) == 1
    assert "40 of 120 boxes are on frames up to 79, but the video's last frame is 59;" in capsys.readouterr().err


def test_every_nth_frame_is_where_it_was(clip: str, tmp_path: Path) -> None:
    lines = [f"{number},1,{4 * frame},10,20,60" for number, frame in enumerate(range(0, 60, 6), start=1)]
    output = str(tmp_path / "m.parquet")
    assert (
        run("--video", clip, "--tracks", write(tmp_path, "\n".join(lines)), "--output", output, "--frame-step", "6")
        == 0
    )
    assert read_back(output) == {key: box for key, box in boxes().items() if key[1] == 1 and key[0] % 6 == 0}


def test_boxes_of_trackers_that_coast_out_of_the_picture_are_left_out_and_counted(
    clip: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    coasting = text() + "\n60,3,-40,10,20,60,1,-1,-1,-1\n59,4,300,10,20,60,1,-1,-1,-1\n58,1,5,5,-3,4,1,-1,-1,-1"
    coasting = coasting.replace(f"58,1,{4.0 * 57!r},10.0,20.0,60.0,1,-1,-1,-1\n", "")
    output = str(tmp_path / "m.parquet")
    given = ["--video", clip, "--tracks", write(tmp_path, coasting), "--output", output]
    assert run(*given) == 1
    assert "width -3 and height 4 must be positive; --skip-bad-boxes" in capsys.readouterr().err
    assert run(*given, "--skip-bad-boxes") == 0
    assert capsys.readouterr().err == (
        f"{output}: 2 tracklets, 119 boxes; left out: 1 box without a width and height; 2 boxes wholly outside the "
        "picture\n"
    )
    away = text(lambda x, y, w, h: (x - 400, y, w, h))
    assert run("--video", clip, "--tracks", write(tmp_path, away), "--output", output) == 1
    assert "120 of 120 boxes lie wholly outside the picture of 256x96 pixels" in capsys.readouterr().err


def test_an_export_that_counts_its_own_frames_is_asked_about(
    clip: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """CVAT and datumaro number what they export: of frames 30, 40, 41, 10 and 11 they make 1 to 5."""
    write(tmp_path, "car\nperson\n", "gt/labels.txt")
    five = "".join(f"{frame},1,{20 * frame},10,20,60,1,2,1.0\n{frame},2,9,9,9,9,1,1,1.0\n" for frame in range(1, 6))
    output = str(tmp_path / "m.parquet")
    given = ["--video", clip, "--tracks", write(tmp_path, five, "gt/gt.txt"), "--output", output]
    assert run(*given) == 1
    assert "number the frames that they export, here up to 5, and the video has 60 frames" in capsys.readouterr().err
    assert run(*given, "--frame-step", "10") == 0
    assert [row["frame_indices"] for row in rows(output)] == [[0, 10, 20, 30, 40]]
    capsys.readouterr()
    whole = "".join(f"{frame},1,{3 * frame},10,20,60,1,2,1.0\n" for frame in range(1, FRAMES + 1))
    assert run("--video", clip, "--tracks", write(tmp_path, whole, "gt/gt.txt"), "--output", output) == 0
    assert capsys.readouterr().err == f"{output}: 1 tracklet, 60 boxes\n"


def test_camera_and_time_come_from_the_name(clip: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video = tmp_path / "north_20260501-123005.mp4"
    video.write_bytes(Path(clip).read_bytes())
    output = str(tmp_path / "m.parquet")
    given = ["--tracks", write(tmp_path, text()), "--output", output]
    pattern = ["--name-pattern", "{camera}_{time:%Y%m%d-%H%M%S}.mp4"]
    assert run("--video", str(video), *given, *pattern) == 0
    assert [(row["tracklet_id"], row["camera_id"], row["start_time"]) for row in rows(output)] == [
        ("north-1", "north", datetime(2026, 5, 1, 12, 30, 5, tzinfo=UTC)),
        ("north-2", "north", datetime(2026, 5, 1, 12, 30, 5, tzinfo=UTC)),
    ]
    assert run("--video", clip, *given, *pattern) == 1
    assert "gate.mp4: the name does not fit --name-pattern" in capsys.readouterr().err
    assert run("--video", clip, *given, "--name-pattern", "{kamera}") == 2


def test_a_folder_of_videos_becomes_one_manifest_or_none(
    clip: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("v/a_1.mp4", "v/b_2.mp4", "v/c_3.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(Path(clip).read_bytes())
    write(tmp_path, text(), "t/a_1.txt")
    write(tmp_path, text() + "\n5,-1,9,9,9,9,1,-1,-1,-1", "t/b_2.txt")
    lost = write(tmp_path, text(), "t/lost.txt")
    output = tmp_path / "m.parquet"
    given = ["--videos", str(tmp_path / "v"), "--tracks", str(tmp_path / "t"), "--output", str(output)]
    assert run(*given, "--name-pattern", "{camera}_{}.mp4") == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [f"no-tracks\t{tmp_path}/v/c_3.mp4", f"no-video\t{lost}"]
    assert captured.err.splitlines() == [
        f"{tmp_path}/t/b_2.txt: 2 tracklets, 120 boxes; left out: 1 box of no track (negative track id)",
        f"{output}: 2 videos, 2 files without a partner, 4 tracklets, 240 boxes; left out: 1 box of no track (negative "
        "track id)",
    ]
    assert [(row["tracklet_id"], row["camera_id"]) for row in rows(str(output))] == [
        ("a_1-1", "a"),
        ("a_1-2", "a"),
        ("b_2-1", "b"),
        ("b_2-2", "b"),
    ]
    before = output.read_bytes()
    write(tmp_path, text(first=30), "t/c_3.txt")
    write(tmp_path, "nonsense", "t/a_1.txt")
    assert run(*given) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.startswith("refused: ") for line in lines] == [True, False, True, False]
    assert "a_1.txt, line 1: 1 column, expected" in lines[0]
    assert "the video's last frame is 59" in lines[2]
    assert lines[3] == "parjob: 2 videos of 3 refused, see above; nothing is written"
    assert output.read_bytes() == before


def test_folders_may_lie_on_s3(s3: Callable[[], str], clip: str, tmp_path: Path) -> None:
    bucket = s3()
    storage.write_bytes(f"{bucket}/v/day/gate.mp4", Path(clip).read_bytes())
    storage.write_bytes(f"{bucket}/t/day/gate.txt", text().encode())
    output = str(tmp_path / "m.parquet")
    assert run("--videos", f"{bucket}/v", "--tracks", f"{bucket}/t", "--output", output, "--id-prefix", "site") == 0
    assert [(row["tracklet_id"], row["video_uri"]) for row in rows(output)] == [
        ("site-day/gate-1", f"{bucket}/v/day/gate.mp4"),
        ("site-day/gate-2", f"{bucket}/v/day/gate.mp4"),
    ]


def test_tracks_may_be_of_another_track_of_the_file(
    clip: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first is a preview of half the size and fewer frames."""
    import av

    small = write_clip(tmp_path / "small.mp4", 20, size=(WIDTH // 2, HEIGHT // 2))
    both = str(tmp_path / "both.mkv")
    with av.open(both, "w") as copy, av.open(str(small)) as first, av.open(clip) as second:
        for source in (first, second):
            copy.add_stream_from_template(source.streams.video[0])
        for stream, source in zip(copy.streams.video, (first, second), strict=True):
            for packet in source.demux(video=0):
                if packet.dts is not None:
                    packet.stream = stream
                    copy.mux(packet)
    output = str(tmp_path / "m.parquet")
    given = ["--video", both, "--tracks", write(tmp_path, text()), "--output", output]
    assert run(*given) == 1
    assert "80 of 120 boxes are on frames up to 59, but the video's last frame is 19" in capsys.readouterr().err
    assert run(*given, "--video-stream", "1", "--start-time", "2026-05-01T12:00:00Z") == 0
    assert read_back(output) == boxes()
    assert {row["video_stream"] for row in rows(output)} == {1}
    with pytest.raises(SystemExit, match="0"):
        main(["manifest", "check", output, "--videos"])
