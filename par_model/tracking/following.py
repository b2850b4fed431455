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
        # Named after the videos they hold, since another version may have made groups of another size.
        spans = [(at, min(at + size, len(wanted))) for at in range(0, len(wanted), size)]
        self._groups = {
            storage.join(folder, f"videos-{start:06d}-{stop:06d}-{job_id}"): wanted[start:stop] for start, stop in spans
        }
        self._started, self._took = time.perf_counter(), 0.0

    def meanwhile(self) -> None:
        """Follow the videos of groups that are complete and short, as long as that takes little of this process's time:
        whatever is done before the last person is found need not be waited for after that."""
        for uri in self._missing():
            if self._took > _SHARE * (time.perf_counter() - self._started):
                return
            if self._is_complete(uri) and self._batches(uri) <= _FEW:
                began = time.perf_counter()
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

    def _is_complete(self, uri: str) -> bool:
        return all(self._store.states[number].is_complete for number in self._groups[uri])

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
