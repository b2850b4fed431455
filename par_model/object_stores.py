"""S3 for libraries that reach it by themselves, over Rust's object_store, which lacks parts of botocore's chain."""

from __future__ import annotations


def object_store_options(uri: str) -> dict[str, str]:
    """What libraries over Rust's object_store (deltalake, Polars) are to be handed for a URI: the credentials, region
    and endpoint that botocore finds, as they are now. Hand them to no other process."""
    if not uri.startswith(("s3://", "s3a://")):
        return {}
    import botocore.session

    session = botocore.session.get_session()
    found = session.get_credentials()
    client = session.create_client("s3")
    options = {"AWS_REGION": client.meta.region_name}
    if ".amazonaws.com" not in client.meta.endpoint_url:
        options |= {"AWS_ENDPOINT_URL": client.meta.endpoint_url, "AWS_ALLOW_HTTP": "true"}
    if found is None:
        return options | {"AWS_SKIP_SIGNATURE": "true"}
    frozen = found.get_frozen_credentials()
    options |= {"AWS_ACCESS_KEY_ID": frozen.access_key, "AWS_SECRET_ACCESS_KEY": frozen.secret_key}
    return options | ({"AWS_SESSION_TOKEN": frozen.token} if frozen.token else {})
