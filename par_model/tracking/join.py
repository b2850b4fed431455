"""Joining fragments: tracks of one video that may be one person, by what they look like.

A tracker loses who is hidden for longer than it waits, and gives them another track when they are seen again. Two
tracks are joined if the second begins after the first has ended, within ``gap`` seconds, no further away than somebody
can have walked, and their image embeddings are alike. The most alike are joined first, and a track has one before it
and one after it at most.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from par_model.model.device import RealDevice
from par_model.model.shipped import weights_uri
from par_model.model.stage import RecogniseStage
from par_model.model.weights import read_header
from par_model.sampling import Sampling
from par_model.tracking.options import JoinOptions
from par_model.types import Crops, Prediction, Tracklet
from par_model.video.options import DecodeOptions
from par_model.video.stage import DecodeStage

# A person's height is some 1.7 m, and nobody who shops or waits walks more than two of them in a second.
_HEIGHTS_A_SECOND = 2.0
_HEIGHTS_AT_ONCE = 1.0


@dataclass(frozen=True, eq=False)
class Fragments:
    """Tracks of one video, in any order.

    begins, ends: float64 [n], seconds. first, last: float32 [n, 4], their first and last box: left, top, width,
    height. looks: float32 [n, k], embeddings of length 1; a track whose crops could not be read has zeros.
    """

    begins: NDArray[np.float64]
    ends: NDArray[np.float64]
    first: NDArray[np.float32]
    last: NDArray[np.float32]
    looks: NDArray[np.float32]


def chains(found: Fragments, similarity: float, gap: float) -> list[list[int]]:
    """Which fragments are one person each, in order of time; by the first fragment's number."""
    count = len(found.begins)
    waits = found.begins[None, :] - found.ends[:, None]
    alike = found.looks @ found.looks.T
    centres_last = found.last[:, :2] + found.last[:, 2:] / 2
    centres_first = found.first[:, :2] + found.first[:, 2:] / 2
    ways = np.linalg.norm(centres_first[None, :] - centres_last[:, None], axis=2)
    heights = np.maximum(found.last[:, None, 3], found.first[None, :, 3])
    near = ways <= heights * (_HEIGHTS_AT_ONCE + _HEIGHTS_A_SECOND * np.maximum(waits, 0))
    before, after = np.nonzero((waits > 0) & (waits <= gap) & (alike >= similarity) & near)
    order = np.lexsort((after, before, -alike[before, after]))
    following: dict[int, int] = {}
    taken: set[int] = set()
    for at in order.tolist():
        one, other = int(before[at]), int(after[at])
        if one not in following and other not in taken:
            following[one] = other
            taken.add(other)
    made = []
    for start in (number for number in range(count) if number not in taken):
        chain = [start]
        while chain[-1] in following:
            chain.append(following[chain[-1]])
        made.append(chain)
    return made


class Joining:
    """Joins the tracklets of a video. Weights are loaded here. Raises WeightsError."""

    def __init__(self, options: JoinOptions, device: RealDevice, decode: DecodeOptions) -> None:
        assert options.join is not None
        header = read_header(weights_uri(options.join))
        self._options = options
        self._decode = DecodeStage(header.preprocess, Sampling("uniform", header.config.frames), decode)
        self._recognise = RecogniseStage(options.join, device=device, precision="fp32", embedding=True)

    def __call__(self, tracklets: pa.Table, frame_rate: float) -> pa.Table:
        """The tracklets of one video with those joined that are one person's, under the first one's id.

        tracklets: as of ``tracks.TRACKLET_SCHEMA``. frame_rate: of the video's frames.
        """
        if len(tracklets) < 2:
            return tracklets
        rows = tracklets.to_pylist()
        found = _fragments(rows, self._looks(rows), frame_rate)
        made = chains(found, self._options.join_similarity, self._options.join_gap)
        joined = [_as_one([rows[number] for number in chain]) for chain in made]
        return pa.Table.from_pylist(joined, schema=tracklets.schema)

    def _looks(self, rows: list[dict[str, Any]]) -> NDArray[np.float32]:
        """The embedding of each tracklet, of zeros where it has none."""
        found: dict[int, NDArray[np.float32]] = {}
        crops = (one for one in self._decode(map(_tracklet, range(len(rows)), rows)) if isinstance(one, Crops))
        while some := list(islice(crops, self._recognise.batch_size)):
            for one in self._recognise(some):
                if isinstance(one, Prediction) and one.embedding is not None:
                    found[one.row] = one.embedding
        looks = np.zeros((len(rows), max(map(len, found.values()), default=1)), np.float32)
        for number, look in found.items():
            looks[number] = look
        return looks

    def close(self) -> None:
        """End the decoding process."""
        self._decode.close()


def _tracklet(number: int, row: dict[str, Any]) -> Tracklet:
    return Tracklet(
        row=number,
        tracklet_id=row["tracklet_id"],
        video_uri=row["video_uri"],
        frame_indices=np.asarray(row["frame_indices"], np.int32),
        boxes=np.asarray([list(box.values()) for box in row["boxes"]], np.float32),
        video_stream=row.get("video_stream"),
    )


def _fragments(rows: list[dict[str, Any]], looks: NDArray[np.float32], frame_rate: float) -> Fragments:
    def sides(at: int) -> NDArray[np.float32]:
        return np.asarray([list(row["boxes"][at].values()) for row in rows], np.float32)

    frames = np.asarray([(row["frame_indices"][0], row["frame_indices"][-1]) for row in rows], np.float64)
    return Fragments(frames[:, 0] / frame_rate, frames[:, 1] / frame_rate, sides(0), sides(-1), looks)


def _as_one(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return rows[0] | {name: [value for row in rows for value in row[name]] for name in ("frame_indices", "boxes")}
