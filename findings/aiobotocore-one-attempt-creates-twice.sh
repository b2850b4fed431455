#!/usr/bin/env bash
# aiobotocore 3.10.0 (aiohttp 3.14.5, botocore 1.43.117), an object that is created only if there is none, by
# PutObject with If-None-Match: *, as locks and logs of commits on S3 do it. All retries are turned off, by
# retries={"total_max_attempts": 1}. The store creates the object, and the connection is lost before its answer arrives.
#
# Guess: one request, and an error of the connection, after which the caller looks whether the object is its own.
# Seen:  botocore does that. aiobotocore makes the request twice, on a new connection too, and says 412
#        PreconditionFailed: somebody else was faster. It was the same client. aiohttp repeats requests of methods that
#        are idempotent, and PUT is one; that this one has a condition it does not know, and no option turns it off.
# So read back what is there after a 412, whatever the number of attempts, and have it name its writer.
#
# Output seen:
#   botocore: 1 request(s), ConnectionClosedError
#   aiobotocore: 2 request(s), PreconditionFailed
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --quiet aiobotocore==3.10.0 aiohttp==3.14.5 botocore==1.43.117
cat > "$folder/look.py" <<'PYTHON'
import asyncio
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import botocore.session
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.config import Config
from botocore.exceptions import ClientError

SETTINGS = {"region_name": "us-east-1", "aws_access_key_id": "t", "aws_secret_access_key": "t"}
ONE_ATTEMPT = {"retries": {"total_max_attempts": 1, "mode": "standard"}}


class Store(BaseHTTPRequestHandler):
    """Creates objects if there are none. The answer to the first creation of each is lost."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.headers["If-None-Match"] == "*"
        self.server.puts += 1
        if self.path not in self.server.objects:
            self.server.objects[self.path] = body
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
            return
        self.send_response(412)
        text = b"<Error><Code>PreconditionFailed</Code><Message>it is there</Message></Error>"
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *said):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Store)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
server.puts, server.objects = 0, {}
SETTINGS["endpoint_url"] = f"http://127.0.0.1:{server.server_port}"


def told(name, error):
    said = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
    print(f"{name}: {server.puts} request(s), {said}")
    return server.puts, said


def blocking():
    client = botocore.session.get_session().create_client("s3", config=Config(**ONE_ATTEMPT), **SETTINGS)
    client.put_object(Bucket="bucket", Key="by-botocore", Body=b"mine", IfNoneMatch="*")


async def awaited():
    async with get_session().create_client("s3", config=AioConfig(**ONE_ATTEMPT), **SETTINGS) as client:
        await client.put_object(Bucket="bucket", Key="by-aiobotocore", Body=b"mine", IfNoneMatch="*")


seen = []
for name, create in (("botocore", blocking), ("aiobotocore", lambda: asyncio.run(awaited()))):
    server.puts = 0
    try:
        create()
    except Exception as error:
        seen.append(told(name, error))
server.shutdown()
assert seen == [(1, "ConnectionClosedError"), (2, "PreconditionFailed")], seen
PYTHON
"$folder/venv/bin/python" "$folder/look.py"
