"""Libraries over Rust's object_store get what botocore finds. tests/catalogs/test_register_s3.py reads with it."""

from __future__ import annotations

import pytest

from par_model.object_stores import object_store_options


@pytest.fixture(autouse=True)
def _no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of whoever runs the tests."""
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")


def test_other_places_need_nothing() -> None:
    assert object_store_options("/out") == object_store_options("gs://b/out") == {}


def test_credentials_of_a_session_and_an_endpoint_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("ACCESS_KEY_ID", "a"), ("SECRET_ACCESS_KEY", "b"), ("SESSION_TOKEN", "c")):
        monkeypatch.setenv(f"AWS_{name}", value)
    account = {
        "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_SESSION_TOKEN": "c",
    }
    assert object_store_options("s3://b/out") == account
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9000")
    own = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9000", "AWS_ALLOW_HTTP": "true"}
    assert object_store_options("s3a://b/out") == account | own


def test_without_credentials_nothing_is_signed() -> None:
    assert object_store_options("s3://b/out") == {"AWS_REGION": "eu-central-1", "AWS_SKIP_SIGNATURE": "true"}
