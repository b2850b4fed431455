#!/usr/bin/env bash
# s3fs 2026.9.0, pyarrow 26.0.1, a bucket in which somebody pressed "Create folder" below a Parquet dataset.
# The console makes an empty object whose key ends in a slash, here table/camera=3/, beside table/camera=3/part.parquet.
#
# Guess: the dataset reads as before; pyarrow's own S3 file system knows such objects for folders.
# Seen:  s3fs's find() lists the object as a file of size 0, so pyarrow.dataset over the fsspec handler takes it for a
#        file of the dataset and ends with FileNotFoundError for a key that is there. A marker of the dataset's own
#        folder (table/) does no harm: only those further down do. pyarrow's S3FileSystem reads the same bucket.
# So list the files first, leave out keys that end in a slash, and give pyarrow the list.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --quiet s3fs==2026.9.0 pyarrow==26.0.1 "moto[s3,server]==5.2.5"
cat > "$folder/look.py" <<'PYTHON'
import logging, os
import fsspec, pyarrow as pa, pyarrow.dataset as ds, pyarrow.fs as pafs, pyarrow.parquet as pq
from moto.server import ThreadedMotoServer

logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
address = f"http://{host}:{port}"
os.environ.update(AWS_ENDPOINT_URL=address, AWS_ACCESS_KEY_ID="t", AWS_SECRET_ACCESS_KEY="t", AWS_DEFAULT_REGION="us-east-1")
s3 = fsspec.filesystem("s3", use_listings_cache=False)
s3.mkdir("bucket")
with s3.open("bucket/table/camera=3/part.parquet", "wb") as file:
    pq.write_table(pa.table({"a": [1]}), file)
handler = pafs.PyFileSystem(pafs.FSSpecHandler(s3))
arrow = pafs.S3FileSystem(endpoint_override=address, access_key="t", secret_key="t", region="us-east-1")


def read(name, filesystem):
    try:
        said = ds.dataset("bucket/table", filesystem=filesystem, format="parquet").to_table().num_rows
    except Exception as error:
        said = type(error).__name__
    print(f"{name}: {said}")
    return said


seen = [read("no marker, fsspec", handler)]
s3.call_s3("put_object", Bucket="bucket", Key="table/", Body=b"")
seen.append(read("table/, fsspec", handler))
s3.call_s3("put_object", Bucket="bucket", Key="table/camera=3/", Body=b"")
print({name: (info["type"], info["size"]) for name, info in s3.find("bucket/table", detail=True).items()})
seen += [read("table/camera=3/, fsspec", handler), read("table/camera=3/, pyarrow's own", arrow)]
server.stop()
assert seen == [1, 1, "FileNotFoundError", 1], seen
PYTHON
"$folder/venv/bin/python" "$folder/look.py"
