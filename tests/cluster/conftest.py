"""One Ray for all tests: starting it takes longer than most of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from par_model.cluster.session import ray_session


@pytest.fixture(scope="session")
def local_ray(s3_endpoint: str) -> Iterator[None]:
    """A local Ray that every ``ray_runner`` of this process joins. Its workers know the S3 server of the tests."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in {
            "AWS_ENDPOINT_URL": s3_endpoint,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
        }.items():
            environment.setenv(name, value)
        with ray_session(None):
            yield
