"""XML files read as a stream: neither the text nor a tree of it is ever in memory as a whole.

Nobody who annotates writes document types or entities, and both are ways to make a reader open other files or fill
its memory; so they are refused where they are declared.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, NoReturn, Protocol
from xml.parsers import expat

from par_model import storage
from par_model.errors import ManifestError
from par_model.wording import counted, one_line

MAX_BYTES = 4 << 30  # of XML, after decompression
_CHUNK = 1 << 20
_SHOWN = 3  # names in a message
_ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06")  # the second of archives that hold nothing


class Handler(Protocol):
    """What is told of a file's elements. Text may come in pieces.

    ``origin``, the file, and ``line``, which gives the line of the element that is told, from 1, are set before the
    first call: for errors, which end the reading.
    """

    origin: str
    line: Callable[[], int]

    def start(self, tag: str, attributes: dict[str, str]) -> None: ...

    def data(self, text: str) -> None: ...

    def end(self, tag: str) -> None: ...


def read_xml(uri: str, handler: Handler, *, preferred: str, max_bytes: int = MAX_BYTES) -> str:
    """Tell ``handler`` of the elements of an XML file, or of that in a zip archive, and return the file's name.

    preferred: the name of the file in the archive, where it holds several. Nothing is written to disk.
    Raises ManifestError for what is no XML, declares a document type or is longer than ``max_bytes``, for archives in
    which the file is not plain, and StorageError where the place cannot be read.
    """
    with storage.guard(uri, "read"), storage.open_reader(uri, block_size=_CHUNK) as file:
        magic = file.read(len(_ZIP_MAGICS[0]))
        file.seek(0)
        if magic not in _ZIP_MAGICS:
            _parse(file, handler, uri, max_bytes)
            return uri
        with _member(file, uri, preferred) as (member, name):
            origin = f"{uri}, {name}"
            _parse(member, handler, origin, max_bytes)
            return origin


@contextmanager
def _member(file: IO[bytes], uri: str, preferred: str) -> Iterator[tuple[IO[bytes], str]]:
    try:
        with zipfile.ZipFile(file) as archive:
            name = _choose(archive, uri, preferred)
            with archive.open(name) as member:
                yield member, name
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error, EOFError) as error:
        # RuntimeError is how zipfile says that a password is wanted.
        raise ManifestError(f"{uri}: the zip archive cannot be read: {one_line(error)}") from error


def _choose(archive: zipfile.ZipFile, uri: str, preferred: str) -> str:
    names = [name for name in archive.namelist() if name.lower().endswith(".xml") and "__MACOSX/" not in name]
    exact = [name for name in names if name.rpartition("/")[2].lower() == preferred]
    if len(exact or names) == 1:
        return (exact or names)[0]
    if not names:
        raise ManifestError(f"{uri}: the zip archive holds no XML file; {preferred} is looked for")
    several = sorted(exact or names)
    shown = ", ".join(several[:_SHOWN]) + (", ..." if len(several) > _SHOWN else "")
    raise ManifestError(
        f"{uri}: the zip archive holds {counted(len(several), 'XML file')} ({shown}): take out the one that is meant"
    )


def _parse(file: IO[bytes], handler: Handler, origin: str, max_bytes: int) -> None:
    parser = expat.ParserCreate()
    parser.buffer_text = True
    handler.origin = origin
    handler.line = lambda: parser.CurrentLineNumber

    def refuse(*_declared: object) -> NoReturn:
        raise ManifestError(
            f"{origin}, line {parser.CurrentLineNumber}: declares a document type or an entity, which annotation tools "
            "do not write and which may reach for other files: remove the declaration"
        )

    parser.StartElementHandler = handler.start
    parser.EndElementHandler = handler.end
    parser.CharacterDataHandler = handler.data
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.ExternalEntityRefHandler = refuse
    read = 0
    try:
        while chunk := file.read(_CHUNK):
            read += len(chunk)
            if read > max_bytes:
                raise ManifestError(
                    f"{origin}: is longer than {max_bytes:,} bytes of XML; export fewer tracks at a time"
                )
            parser.Parse(chunk, False)
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise ManifestError(f"{origin}: is not XML: {error}") from error
    except (LookupError, ValueError) as error:  # how expat's encodings of several bytes, and unknown ones, come out
        raise ManifestError(f"{origin}: its encoding cannot be read: {error}; save it as UTF-8") from error
