"""What reading costs, added up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from par_model.video.counters import NUMBERS, WEIGHED, WHY_UNIFORM, Counters, NeededFrames


def test_totals_are_added_and_told_apart_from_earlier_ones() -> None:
    total = Counters(frames_decoded=5, bytes_read=100, several_tracks={"/a"})
    earlier = total.copy()
    total.add(Counters(frames_decoded=2, uniform_unproven=1, uniform_beyond_index=3, several_tracks={"/b"}))
    assert (total.frames_decoded, total.bytes_read, total.several_tracks) == (7, 100, {"/a", "/b"})
    assert total.sampled_uniformly == 4
    assert earlier == Counters(frames_decoded=5, bytes_read=100, several_tracks={"/a"})
    new = total.since(earlier)
    assert (new.frames_decoded, new.bytes_read, new.several_tracks) == (2, 0, {"/b"})
    assert set(total.numbers()) == set(NUMBERS) > {*WHY_UNIFORM, *WEIGHED}
    assert total.numbers()["frames_decoded"] == 7


@given(
    keys=st.sets(st.integers(0, 59)),
    wanted=st.sets(st.integers(0, 59)),
)
def test_frames_from_the_key_frame_before_each_wanted_one_are_counted_once(keys: set[int], wanted: set[int]) -> None:
    counters = Counters()
    needed = NeededFrames(counters)
    for index in range(60):
        needed.passed(index, is_key=index in keys, wanted=index in wanted)
    starts = {frame: max((key for key in keys if key <= frame), default=0) for frame in wanted}
    assert counters.frames_needed == len({k for frame, start in starts.items() for k in range(start, frame + 1)})
    assert counters.frames_decoded == 60
