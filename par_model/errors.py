"""Every error that this package raises on purpose.

    ParError                    one line for a person: what, where, what to do      exit code 1
    ├── UsageError              the call itself is wrong                            exit code 2
    ├── SchemaError             an attribute schema
    ├── ManifestError           a manifest as a whole
    ├── WeightsError            a weights file, a checkpoint, a backbone
    ├── StorageError            a place that cannot be read or written
    ├── OutputError             an output folder that another run owns
    ├── CatalogError            a catalog, or the table in it that is to name this one's files
    │   └── ConflictError       somebody else's commit came first; the same can be tried again
    ├── ClusterError            Ray, or the machines behind it
    │   └── NodesLostError      some of them went; what is missing can be done by the others
    ├── TrainingError           training that cannot go on
    └── TrackletError           one tracklet, carries a FailureCode; becomes a failed row

Nothing below the command line catches ParError to print it. A bare Exception is caught where a stage turns what one
tracklet or video does into a failed row, and around libraries that raise whatever they like, each time with the reason
beside it.
"""

from __future__ import annotations

from enum import StrEnum

from par_model.wording import one_line


class FailureCode(StrEnum):
    """Why a tracklet is a failed row: the value of the table's ``error`` column."""

    INVALID_TRACKLET = "invalid-tracklet"
    VIDEO_NOT_FOUND = "video-not-found"
    VIDEO_ACCESS_DENIED = "video-access-denied"
    VIDEO_ARCHIVED = "video-archived"
    VIDEO_UNREADABLE = "video-unreadable"
    VIDEO_DAMAGED = "video-damaged"
    VIDEO_TIMEOUT = "video-timeout"
    VIDEO_CRASHED = "video-crashed"
    FRAME_OUT_OF_RANGE = "frame-out-of-range"
    BOX_OUTSIDE_FRAME = "box-outside-frame"
    IMAGE_NOT_FOUND = "image-not-found"
    IMAGE_ARCHIVED = "image-archived"
    IMAGE_UNREADABLE = "image-unreadable"
    DECODER_REFUSED = "decoder-refused"
    STORAGE_ERROR = "storage-error"
    MODEL_ERROR = "model-error"


class ParError(Exception):
    """An error with one line for a person. ``str(error)`` is that line, whatever a library's words brought into it."""

    exit_code = 1

    def __str__(self) -> str:
        return one_line(super().__str__())


class UsageError(ParError):
    """The call itself is wrong: an option, a value, a combination."""

    exit_code = 2


class SchemaError(ParError):
    """An attribute schema that is not valid, or does not fit what it is used with."""


class ManifestError(ParError):
    """A manifest that cannot be used as a whole."""


class WeightsError(ParError):
    """A weights file, a checkpoint or a backbone that cannot be used."""


class StorageError(ParError):
    """A place, local or remote, that cannot be read or written."""


class OutputError(ParError):
    """An output folder that another run owns, or that holds another run's results."""


class CatalogError(ParError):
    """A catalog that cannot be reached, or whose table is not what earlier runs made of it."""


class ConflictError(CatalogError):
    """Somebody else changed the catalog's table in the moment of a commit, which was not made."""


class ClusterError(ParError):
    """Ray could not be started or joined, or its machines do not fit the job."""


class NodesLostError(ClusterError):
    """Machines went, and the rest stands still; what is missing can be done again, by those that are left."""


class TrainingError(ParError):
    """Training that cannot go on as it was asked for."""


class TrackletError(ParError):
    """What is wrong with one tracklet. The job turns it into a failed row and goes on."""

    def __init__(self, code: FailureCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = str(self)

    def __reduce__(self) -> tuple[type[TrackletError], tuple[FailureCode, str]]:
        # Exceptions pickle by their args, and this one has two of its own.
        return type(self), (self.code, self.message)
