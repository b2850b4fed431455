"""The tracks of a job's videos, made group by group: some while people are still looked for, the rest after that."""

from __future__ import annotations

import time
from collections.abc import Sequence

from par_model import storage
from par_model.runs.lock import Held
from par_model.tracking.look import TrackJob
from par_model.tracking.runner import TrackRunner
from par_model.tracking.store import DetectionStore
from par_model.tracking.video_rows import GroupToFollow, VideoToFollow, follow_group

_GROUP = 64  # videos whose tracks make one file, at most
_GROUPS = 64  # that many at least, where there are as many videos, so that workers share them
_FEW = 1024  # batches that are followed here before a worker elsewhere has loaded its libraries
# Of this process's time while people are looked for: whoever finds them for it must not wait.
_SHARE = 0.1
_PAUSE = 1.0  # seconds in which nothing that they find is taken or written; the group at hand is done to its end


class Following:
    """Follows people through the wanted videos of a job, whose detections are in ``store``, into files of groups of
    videos below ``folder``. Make it when the stages start: files that are there already stay."""

    def __init__(
        self,
        job: TrackJob,
        held: Held,
        runner: TrackRunner,
        store: DetectionStore,
        wanted: Sequence[int],
        folder: str,
        job_id: str,
    ) -> None:
        self._job, self._held, self._runner, self._store = job, held, runner, store
        self._there = {info.uri: info.size for info in storage.list_files(folder)}
        size = max(1, min(_GROUP, -(-len(wanted) // _GROUPS)))
        # Named after the videos they hold (the first, the last, how many): another version may have made groups of
        # another size, and a retry that was killed after it had written the manifest wants fewer videos.
        groups = [wanted[at : at + size] for at in range(0, len(wanted), size)]
        self._groups = {
            storage.join(folder, f"videos-{some[0]:06d}-{some[-1]:06d}-{len(some)}-{job_id}"): some for some in groups
        }
        self._started, self._took = time.perf_counter(), 0.0

    def meanwhile(self) -> None:
        """Follow the videos of groups that are complete and short, as long as that takes little of this process's time:
        whatever is done before the last person is found need not be waited for after that."""
        called = time.perf_counter()
        for uri in self._missing():
            began = time.perf_counter()
            if self._took > _SHARE * (began - self._started) or began - called > _PAUSE:
                return
            if self._is_final(uri) and self._batches(uri) <= _FEW:
                self._note(follow_group(self._group(uri, self._held.verify)))
                self._took += time.perf_counter() - began

    def rest(self) -> list[tuple[str, int]]:
        """Follow all others, much on workers; the files of all groups with their sizes, in the order of videos."""
        missing = self._missing()
        is_shared = self._runner.shares(self._job.output.place())
        groups = (self._group(uri, self._held.look_only() if is_shared else self._held.verify) for uri in missing)
        is_much = sum(map(self._batches, missing)) > _FEW
        for made in self._runner.spread(follow_group, groups) if is_shared and is_much else map(follow_group, groups):
            self._note(made)
        return [(uri, self._there[uri]) for uri in self._groups]

    def _missing(self) -> list[str]:
        return [uri for uri in self._groups if uri not in self._there]

    def _note(self, made: tuple[str, int]) -> None:
        uri, size = made
        self._there[uri] = size

    def _is_final(self, uri: str) -> bool:
        # Of a video that failed more batches may come, and its row counts their frames.
        states = [self._store.states[number] for number in self._groups[uri]]
        return all(state.is_complete and not state.failed for state in states)

    def _batches(self, uri: str) -> int:
        return sum(self._store.states[number].batches or 0 for number in self._groups[uri])

    def _group(self, uri: str, before: storage.Before) -> GroupToFollow:
        footage, options = self._job.found.footage, self._job.options
        return GroupToFollow(
            uri=uri,
            videos=[VideoToFollow(n, footage[n], self._store.states[n].pieces) for n in self._groups[uri]],
            every=options.every,
            stream=options.decode.video_stream or None,
            options=options.follow,
            before=before,
        )
