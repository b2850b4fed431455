"""A manifest comes from elsewhere: what it holds is data, whatever it looks like; and what is secret stays so."""

from __future__ import annotations

import http.server
import os
import pickle
import shutil
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from par_model.errors import ManifestError, OutputError, WeightsError
from par_model.inference.job import run_inference
from par_model.inference.local import LocalRunner
from par_model.inference.options import InferOptions
from par_model.manifest.write import write_manifest
from tests.archive import video_row
from tests.faults.conftest import Jobs
from tests.video.frame_numbers import write_clip

SECRETS = {
    "AWS_ACCESS_KEY_ID": "AKIAFAKEKEYFORTESTS0",
    "AWS_SECRET_ACCESS_KEY": "not/a/secret+but+recognisable+0123456789",
    "AWS_SESSION_TOKEN": "FAKESESSIONTOKENFORTESTS//////////0123456789",
}
HOSTILE_IDS = [
    "../../../../tmp/escape",
    "/etc/passwd",
    "a/b\\c",
    "two\nlines\r\nand\ttabs",
    "..",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "'; DROP TABLE tracklets; --",
    "{0.__class__} %s $(id) `id`",
    "\x1b[31mred\x1b[0m",
    "\u202egnp.exe",
    "x" * 10_000,
]


@pytest.fixture
def listener() -> Iterator[tuple[str, list[str]]]:
    """An address that nothing may ask for anything, and what it was asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def everything_below(*folders: Path) -> Iterator[tuple[Path, bytes]]:
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink():
                yield path, path.read_bytes()


def infer(folder: Path, weights: Path, output: str = "out", manifest: str = "manifest.parquet") -> pa.Table:
    """The table of a job in this process, whose decoder is another."""
    options = InferOptions(str(folder / manifest), str(weights), str(folder / output), max_failure_rate=1)
    run_inference(options, lambda: nullcontext(LocalRunner("cpu")))
    return pq.read_table(folder / output / "attributes")


def test_a_video_that_names_others_makes_nobody_open_them(
    tiny_weights: Path, tmp_path: Path, listener: tuple[str, list[str]]
) -> None:
    """Playlists, concat scripts, DASH, SDP and references inside a container: only the bytes of the one object are
    read, no file beside it and no address is opened, and the tracklet fails as unreadable."""
    address, asked = listener
    target = write_clip(tmp_path / "target.mp4", 12)
    texts = {
        "remote.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{address}/segment.ts\n#EXT-X-ENDLIST\n",
        "local.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{target}\n#EXT-X-ENDLIST\n",
        "list.mp4": f"ffconcat version 1.0\nfile '{target}'\n",
        "list.mkv": f"ffconcat version 1.0\nfile '{address}/a.mp4'\n",
        "dash.mpd": f'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period>'
        f'<AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1"><BaseURL>{address}/d.mp4</BaseURL>'
        "</Representation></AdaptationSet></Period></MPD>",
        "session.mp4": f"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video {address.rpartition(':')[2]} RTP/AVP 96\n",
        "subfile.avi": f"subfile,,start,0,end,0,,:{target}",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    rows = [video_row(name, str(tmp_path / name), range(6)) for name in texts]
    write_manifest(str(tmp_path / "manifest.parquet"), rows)
    table = infer(tmp_path, tiny_weights)
    assert table["error"].to_pylist() == ["video-unreadable"] * len(texts)
    assert asked == []


def test_ids_are_data_in_every_file_and_line(
    tiny_weights: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Slashes, `..`, newlines, markup, escape sequences, ten thousand characters: as given in the table, in no name
    of a file, and no line of the log is theirs."""
    folder = tmp_path / "archive"
    folder.mkdir()
    clip = str(write_clip(folder / "v.mp4", 12))
    rows = [video_row(tracklet_id, clip, range(6), camera_id=tracklet_id[:60]) for tracklet_id in HOSTILE_IDS]
    rows += [video_row(f"bad {tracklet_id}", f"{folder}/z.mp4", range(6)) for tracklet_id in HOSTILE_IDS]
    write_manifest(str(folder / "manifest.parquet"), rows)
    before = {*tmp_path.rglob("*"), folder / "out"}
    table = infer(folder, tiny_weights)
    said = "".join(capfd.readouterr())
    assert table["tracklet_id"].to_pylist() == [row["tracklet_id"] for row in rows]
    assert table["status"].to_pylist() == ["ok"] * len(HOSTILE_IDS) + ["failed"] * len(HOSTILE_IDS)
    made = sorted(str(path.relative_to(folder)) for path in tmp_path.rglob("*") if path not in before)
    assert made == ["out/attributes", "out/attributes/part-00000.parquet", "out/run.json"]
    for trace in ("escape", "passwd", "<script>", "\x1b", "DROP TABLE", "x" * 100):
        assert trace not in said
    for message in table["message"].to_pylist()[len(HOSTILE_IDS) :]:
        assert message == f"cannot read {folder}/z.mp4: there is no such file or folder"


class Bomb:
    """Unpickling it leaves a mark."""

    def __init__(self, mark: str) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Any, tuple[str, int]]:
        return os.mkdir, (self._mark, 0o755)


def test_nothing_is_unpickled(tiny_weights: Path, tmp_path: Path) -> None:
    """A pickle in the place of weights, manifest, video, image or an earlier run's record is refused, and never run."""
    mark = tmp_path / "mark"
    bomb = pickle.dumps(Bomb(str(mark)))
    for name in ("w.safetensors", "m.parquet", "v.mp4", "i.jpg"):
        (tmp_path / name).write_bytes(bomb)
    with pytest.raises(ManifestError, match="is not Parquet"):
        infer(tmp_path, tiny_weights, "a", "m.parquet")
    (tmp_path / "m.parquet").unlink()
    stills = {"tracklet_id": "stills", "image_uris": [str(tmp_path / "i.jpg")]}
    write_manifest(str(tmp_path / "m.parquet"), [video_row("video", str(tmp_path / "v.mp4"), range(6)), stills])
    with pytest.raises(WeightsError):
        infer(tmp_path, tmp_path / "w.safetensors", "b", "m.parquet")
    table = infer(tmp_path, tiny_weights, "c", "m.parquet")
    assert sorted(table["error"].to_pylist()) == ["image-unreadable", "video-unreadable"]
    (tmp_path / "d").mkdir()
    (tmp_path / "d/run.json").write_bytes(bomb)
    with pytest.raises(OutputError, match="not valid JSON"):
        infer(tmp_path, tiny_weights, "d", "m.parquet")
    assert not mark.exists()


def leaks(said: str, *folders: Path) -> list[str]:
    """Where a secret is that should be nowhere."""
    found = [f"{name} on stderr" for name, secret in SECRETS.items() if secret in said]
    for path, content in everything_below(*folders):
        found += [f"{name} in {path}" for name, secret in SECRETS.items() if secret.encode() in content]
    return found


@pytest.mark.slow  # most of it is waiting between the attempts
@pytest.mark.parametrize("ray", [False, True])
def test_credentials_are_left_nowhere(ray: bool, tiny_weights: Path, tmp_path: Path) -> None:
    """Keys in the environment, and requests with them that fail: they are in no log, table, record or message, nor in
    anything that Ray leaves on disk."""
    work, temporary = tmp_path / "work", Path("/tmp") / f"par-{os.getpid()}-{ray:d}"  # a socket's path has to be short
    work.mkdir()
    clip = str(write_clip(work / "v.mp4", 12))
    rows = [video_row("good", clip, range(6)), video_row("bad", "s3://nobody/v.mp4", range(6))]
    write_manifest(str(work / "manifest.parquet"), rows)
    environment = SECRETS | {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",  # refuses every connection
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "RAY_TMPDIR": str(temporary),
        "PARJOB_DEBUG": "1",
    }
    temporary.mkdir()
    try:
        jobs = Jobs(str(work / "manifest.parquet"), str(tiny_weights), str(work), environment, ray)
        process = jobs.start("out", "--max-failure-rate", "1")
        out, err = process.communicate(timeout=280)
        assert process.returncode == 0, err
        assert jobs.table("out")["error"].to_pylist() == [None, "storage-error"]
        assert (len(list(temporary.rglob("*.log"))) > 3) == ray
        assert leaks(out + err, work, temporary) == []
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
