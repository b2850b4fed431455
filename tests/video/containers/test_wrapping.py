"""Times whose 33 bits are full."""

from __future__ import annotations

import av
import pytest

from par_model.video.containers.wrapping import OngoingTimes

RANGE = 1 << 33
FULL = RANGE - 3600
THIRD = RANGE // 3


def after(times: list[tuple[int | None, int | None]]) -> list[tuple[int | None, int | None]]:
    """pts and dts of packets, made to go on."""
    ongoing, found = OngoingTimes(), []
    for pts, dts in times:
        packet = av.Packet(b"x")
        packet.pts, packet.dts = pts, dts
        ongoing.go_on(packet)  # type: ignore[arg-type]
        found.append((packet.pts, packet.dts))
    return found


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([(0, 0), (3600, 3600)], [(0, 0), (3600, 3600)]),
        # The clock begins again, twice.
        (
            [(FULL, FULL), (0, 0), (THIRD, THIRD), (2 * THIRD, 2 * THIRD), (FULL, FULL), (5, 5)],
            [
                (FULL, FULL),
                *((RANGE + time, RANGE + time) for time in (0, THIRD, 2 * THIRD, FULL)),
                (2 * RANGE + 5, 2 * RANGE + 5),
            ],
        ),
        # One packet whose time is spoilt, upwards and downwards; and a gap of 20 hours.
        (
            [(0, 0), (FULL, FULL), (3600, 3600), (7200, 7200)],
            [(0, 0), (FULL, FULL), (3600, 3600), (7200, 7200)],
        ),
        (
            [(FULL, FULL), (9, 9), (FULL + 9, FULL + 9), (FULL + 18, FULL + 18)],
            [(FULL, FULL), (RANGE + 9, RANGE + 9), (FULL + 9, FULL + 9), (FULL + 18, FULL + 18)],
        ),
        (
            [(0, 0), (FULL, FULL), (FULL + 9, FULL + 9), (5, 5)],
            [(0, 0), (FULL, FULL), (FULL + 9, FULL + 9), (RANGE + 5, RANGE + 5)],
        ),
        # Decoded before the turn, shown behind it.
        ([(3600, FULL), (0, 0)], [(RANGE + 3600, FULL), (RANGE, RANGE)]),
        # Without a decoding time, and without any.
        ([(FULL, None), (None, None), (7, None)], [(FULL, None), (None, None), (RANGE + 7, None)]),
        # Without decoding times, and one that is shown before the turn comes after one that is shown behind it.
        (
            [(FULL, None), (3600, None), (FULL + 1800, None), (7200, None)],
            [(FULL, None), (RANGE + 3600, None), (FULL + 1800, None), (RANGE + 7200, None)],
        ),
        # Less than half a range back: a joint of two recordings.
        ([(FULL, FULL), (RANGE // 2, RANGE // 2)], [(FULL, FULL), (RANGE // 2, RANGE // 2)]),
    ],
)
def test_times_go_on(times: list[tuple[int | None, int | None]], expected: list[tuple[int | None, int | None]]) -> None:
    assert after(times) == expected
