#!/usr/bin/env bash
# pandas 3.1.1 with PyArrow 26.0.1 and s3fs 2026.9.0, moto 5.2.5, Python 3.11: a Hive folder on S3 whose value has a
# blank, camera_id=a%20b, as most writers name it, opened by itself; and beside it the folder "camera_id=a b" of a
# writer that does not encode.
#
# Guess: "s3://bucket/camera_id=a%20b/part.parquet" is the object of that key, as it is to s3fs, boto3 and Polars, and
# storage_options say how S3 is asked, not for what.
#
# Seen: pandas asks for the key "camera_id=a b/part.parquet": without the object it raises FileNotFoundError for a key
# that is there, and with it its rows come, another folder's, without a word. With storage_options={"anon": False},
# which is the default anyway, it asks for the right one: then it reads through s3fs, else through PyArrow, which
# decodes URIs. to_parquet does likewise, so that "copy%20b.parquet" is written over "copy b.parquet".
#
# Output seen:
#   a%20b alone:      read_parquet FileNotFoundError, with storage_options ['encoded']
#   a%20b beside a b: read_parquet ['blank'], with storage_options ['encoded']
#   to_parquet of copy%20b.parquet: copy b.parquet, with storage_options copy%20b.parquet
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pandas==3.1.1 pyarrow==26.0.1 s3fs==2026.9.0 "moto[s3,server]==5.2.5"
cat > "$folder/see.py" <<'PY'
import io
import logging
import os

import boto3
import pandas as pd
from moto.server import ThreadedMotoServer

logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
os.environ.update(
    AWS_ENDPOINT_URL=f"http://{host}:{port}", AWS_ACCESS_KEY_ID="t", AWS_SECRET_ACCESS_KEY="t",
    AWS_DEFAULT_REGION="us-east-1",
)
s3 = boto3.client("s3")
s3.create_bucket(Bucket="bucket")
OPTIONS = {"anon": False}


def put(key, *rows):
    body = io.BytesIO()
    pd.DataFrame({"id": rows}).to_parquet(body)
    s3.put_object(Bucket="bucket", Key=key, Body=body.getvalue())


def read(**how):
    try:
        return pd.read_parquet("s3://bucket/camera_id=a%20b/part.parquet", **how)["id"].to_list()
    except OSError as error:
        return type(error).__name__


def written(**how):
    pd.DataFrame({"id": ["new"]}).to_parquet("s3://bucket/copy%20b.parquet", **how)
    (key,) = [found["Key"] for found in s3.list_objects_v2(Bucket="bucket", Prefix="copy")["Contents"]]
    s3.delete_object(Bucket="bucket", Key=key)
    return key


put("camera_id=a%20b/part.parquet", "encoded")
alone = read(), read(storage_options=OPTIONS)
print(f"a%20b alone:      read_parquet {alone[0]}, with storage_options {alone[1]}")
put("camera_id=a b/part.parquet", "blank")
beside = read(), read(storage_options=OPTIONS)
print(f"a%20b beside a b: read_parquet {beside[0]}, with storage_options {beside[1]}")
keys = written(), written(storage_options=OPTIONS)
print(f"to_parquet of copy%20b.parquet: {keys[0]}, with storage_options {keys[1]}")
server.stop()
assert alone == ("FileNotFoundError", ["encoded"]), alone
assert beside == (["blank"], ["encoded"]), beside
assert keys == ("copy b.parquet", "copy%20b.parquet"), keys
PY
"$folder/venv/bin/python" "$folder/see.py"
