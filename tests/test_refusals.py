"""What S3 says when it refuses reaches the user: its code, its text, and what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from par_model import s3_requests, storage
from par_model.cli.doctor import _s3
from par_model.errors import FailureCode, TrackletError
from par_model.manifest.read import Manifest
from par_model.storage import PlaceError, Reason
from par_model.table.read import open_table
from par_model.video.bytes.source import open_video
from par_model.video.images import image_error, read_images
from tests.archive import video_row
from tests.refusing_s3 import Answer, Refusing, refusing_s3
from tests.s3 import S3_ENVIRONMENT

ARCHIVED = Answer(
    403, "InvalidObjectState", "The operation is not valid for the object's storage class", b"x" * 100, on_head=200
)
DENIED_BY_KEY = (
    "User: arn:aws:iam::1:user/u is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:key because no "
    "identity-based policy allows the kms:Decrypt action"
)
REFUSALS = {
    "archived": (ARCHIVED, Reason.ARCHIVED, "restore-object"),
    "skewed": (
        Answer(
            403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large."
        ),
        Reason.ACCESS_DENIED,
        "clock",
    ),
    "signature": (
        Answer(403, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature."),
        Reason.ACCESS_DENIED,
        "AWS_SECRET_ACCESS_KEY",
    ),
    "key": (
        Answer(403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."),
        Reason.ACCESS_DENIED,
        "AWS_ACCESS_KEY_ID",
    ),
    "token": (
        Answer(400, "ExpiredToken", "The provided token has expired."),
        Reason.ACCESS_DENIED,
        "temporary credentials",
    ),
    "kms": (Answer(403, "AccessDenied", DENIED_BY_KEY), Reason.ACCESS_DENIED, "kms:Decrypt on an enabled key"),
    "kms-disabled": (
        Answer(400, "KMS.DisabledException", "arn:aws:kms:key is disabled."),
        Reason.ACCESS_DENIED,
        "enabled key",
    ),
    "denied": (Answer(403, "AccessDenied", "Access Denied"), Reason.ACCESS_DENIED, "docs/storage.md"),
    "not-allowed": (
        Answer(403, "AccessDenied", "User: u is not authorized to perform: s3:GetObject on resource: x"),
        Reason.ACCESS_DENIED,
        "allow s3:GetObject",
    ),
    "may-be-missing": (
        Answer(403, "AccessDenied", "User: u is not authorized to perform: s3:ListBucket on resource: x"),
        Reason.ACCESS_DENIED,
        "for what is not there as well",
    ),
    "region": (
        Answer(400, "AuthorizationHeaderMalformed", "The region is wrong", more="<Region>eu-west-1</Region>"),
        Reason.OTHER,
        "AWS_DEFAULT_REGION to eu-west-1",
    ),
    "busy": (Answer(503, "SlowDown", "Please reduce your request rate.", b"x", on_head=200), Reason.OTHER, "busy"),
    "no-body": (Answer(403), Reason.ACCESS_DENIED, "access denied (403)"),
}


@contextmanager
def serving(answers: dict[str, Answer], list_answer: Answer | None = None) -> Iterator[Refusing]:
    """A refusing S3 that the environment names."""
    file_system = fsspec.get_filesystem_class("s3")
    with refusing_s3(answers, list_answer) as server, pytest.MonkeyPatch.context() as patch:
        for name, value in (S3_ENVIRONMENT | {"AWS_ENDPOINT_URL": server.address}).items():
            patch.setenv(name, value)
        file_system.clear_instance_cache()
        yield server
    file_system.clear_instance_cache()


@pytest.fixture(scope="module")
def refusing() -> Iterator[Refusing]:
    with serving({f"bucket/{name}": answer for name, (answer, _, _) in REFUSALS.items()}) as server:
        yield server


@pytest.mark.usefixtures("refusing")
@pytest.mark.parametrize("name", [name for name in REFUSALS if name != "busy"])
def test_code_text_and_advice_are_kept(name: str) -> None:
    answer, reason, advice = REFUSALS[name]
    with pytest.raises(PlaceError) as caught:
        storage.read_bytes(f"s3://bucket/{name}")
    said = str(caught.value)
    assert said.startswith(f"cannot read s3://bucket/{name}: ")
    assert answer.code in said
    assert answer.text.rstrip(".") in said
    assert advice in said
    assert caught.value.reason is reason
    assert "\n" not in said


def test_a_store_that_is_asked_too_often_says_so(refusing: Refusing, monkeypatch: pytest.MonkeyPatch) -> None:
    """After all attempts, of which there is one here."""
    monkeypatch.setattr(s3_requests, "ATTEMPTS", 1)
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    asked = len(refusing.requests)
    with pytest.raises(PlaceError, match=r"SlowDown.*the store is busy") as caught:
        storage.read_bytes("s3://bucket/busy")
    assert caught.value.reason is Reason.OTHER
    assert [method for method, _, _ in refusing.requests[asked:]] == ["HEAD", "GET"]
    fsspec.get_filesystem_class("s3").clear_instance_cache()


def test_a_store_that_is_busy_is_not_asked_for_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_requests, "ATTEMPTS", 1)
    with serving({"bucket/a.bin": Answer(429, "TooManyRequests", "no")}) as server:
        with pytest.raises(PlaceError, match=r"\(429\); the store is busy"):
            storage.open_reader("s3://bucket/a.bin")
        assert [method for method, _, _ in server.requests] == ["HEAD"]


def test_a_head_that_is_refused_costs_one_small_request_more(refusing: Refusing) -> None:
    before = len(refusing.requests)
    with pytest.raises(PlaceError):
        storage.open_reader("s3://bucket/signature")
    assert [(method, headers.get("range")) for method, _, headers in refusing.requests[before:]] == [
        ("HEAD", None),
        ("GET", "bytes=0-0"),
    ]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("archived", FailureCode.VIDEO_ARCHIVED),
        ("skewed", FailureCode.VIDEO_ACCESS_DENIED),
        ("token", FailureCode.VIDEO_ACCESS_DENIED),
    ],
)
@pytest.mark.usefixtures("refusing")
def test_videos_fail_with_a_code_of_their_own(name: str, code: FailureCode) -> None:
    with pytest.raises(TrackletError, match=REFUSALS[name][0].code) as caught:
        open_video(f"s3://bucket/{name}")
    assert caught.value.code is code


@pytest.mark.usefixtures("refusing")
def test_archived_images_too() -> None:
    archived, denied = read_images(["s3://bucket/archived", "s3://bucket/denied"])
    assert isinstance(archived, PlaceError)
    assert image_error(archived).code is FailureCode.IMAGE_ARCHIVED
    assert isinstance(denied, PlaceError)
    assert image_error(denied).code is FailureCode.IMAGE_UNREADABLE


@pytest.mark.usefixtures("refusing")
def test_the_doctor_reads_a_byte() -> None:
    """Of an archived object, HEAD alone tells nothing."""
    with pytest.raises(PlaceError, match="InvalidObjectState"):
        _s3("s3://bucket/archived")


def parquet(tmp_path: Path) -> bytes:
    from par_model.manifest.write import write_manifest

    write_manifest(str(tmp_path / "m.parquet"), [video_row("t", "v.mp4", range(3))])
    return (tmp_path / "m.parquet").read_bytes()


def test_a_manifest_that_may_be_read_and_not_listed_is_read(tmp_path: Path) -> None:
    """A role with s3:GetObject alone: what is not there is refused, not missing."""
    no_list = Answer(403, "AccessDenied", "u is not authorized to perform: s3:ListBucket on resource: bucket")
    answers = {"bucket/in/m.parquet": Answer(body=parquet(tmp_path)), "bucket/in/none.parquet": no_list}
    with serving(answers, no_list) as server:
        assert Manifest.open("s3://bucket/in/m.parquet").num_rows == 1
        assert all(place != "bucket" for _, place, _ in server.requests)
        with pytest.raises(PlaceError, match="for what is not there as well"):
            Manifest.open("s3://bucket/in/none.parquet")


def put(uri: str) -> None:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    fsspec.filesystem("s3").call_s3("put_object", Bucket=bucket, Key=key, Body=b"")


def test_what_a_console_makes_of_an_empty_folder_is_no_file(s3: Callable[[], str], tmp_path: Path) -> None:
    bucket = s3()
    for marker in ("in/", "in/day-1/", "out/attributes/", "out/attributes/camera=3/", "out/_parts/"):
        put(f"{bucket}/{marker}")
    assert storage.list_files(bucket) == []
    assert storage.glob_files(f"{bucket}/in/**") == []
    storage.write_bytes(f"{bucket}/in/day-1/m.parquet", parquet(tmp_path))
    assert Manifest.open(f"{bucket}/in").num_rows == 1
    assert Manifest.open(f"{bucket}/in/").num_rows == 1
    table = pa.table({"tracklet_id": ["t"]})
    with storage.atomic_writer(f"{bucket}/out/attributes/camera=3/part-00000.parquet") as file:
        pq.write_table(table, file)
    read = open_table(f"{bucket}/out/attributes", ["camera"]).to_table()
    assert read.to_pylist() == [{"tracklet_id": "t", "camera": "3"}]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "header", "value"),
    [("FSSPEC_S3_REQUESTER_PAYS", "x-amz-request-payer", "requester"), ("FSSPEC_S3_ANON", "authorization", None)],
)
def test_buckets_whose_requester_pays_and_public_ones(
    tmp_path: Path, setting: str, header: str, value: str | None
) -> None:
    """fsspec's own settings reach every request: looking, reading, listing, and what pyarrow asks for."""
    program = """
import sys, pyarrow.parquet as pq
from par_model import storage
from par_model.manifest.read import Manifest
print(Manifest.open("s3://bucket/in").num_rows, len(storage.read_bytes("s3://bucket/in/m.parquet")))
fs, path = storage.arrow_filesystem("s3://bucket/in/m.parquet")
print(pq.read_table(path, filesystem=fs).num_rows)
"""
    body = parquet(tmp_path)
    with refusing_s3({"bucket/in/m.parquet": Answer(body=body)}) as server:
        environment = os.environ | S3_ENVIRONMENT | {"AWS_ENDPOINT_URL": server.address, setting: "true"}
        if setting == "FSSPEC_S3_ANON":
            environment = {k: v for k, v in environment.items() if not k.startswith(("AWS_ACCESS", "AWS_SECRET"))}
        said = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
        )
    assert said.stdout.split() == ["1", str(len(body)), "1"], said.stderr
    assert {headers.get(header) for _, _, headers in server.requests} == {value}
    assert {method for method, _, _ in server.requests} == {"HEAD", "GET"}
