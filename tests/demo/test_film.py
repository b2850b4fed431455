"""Frames against their masks: who hides whom, and how hard it is to see."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from par_model.attributes import AttributeSchema
from par_model.demo.body import Part
from par_model.demo.config import Difficulty, StreetConfig
from par_model.demo.film import Film, Frame
from par_model.demo.filmed_tracks import FilmedTrack, Tracker

SPARSE = StreetConfig(seed=3, seconds=60.0, fps=1, min_boxes=2)
CLEAN = Difficulty(exposure_s=0.0, lens_blur_px=0.0, noise=0.0)


@pytest.fixture(scope="module")
def market(schema: AttributeSchema) -> tuple[Film, list[Frame]]:
    """The crowded camera, without noise and blur, four frames at one a second."""
    film = Film(replace(SPARSE, seconds=4.0, difficulty=CLEAN), 0, schema)
    return film, list(film.frames())


def test_masks_add_up(market: tuple[Film, list[Frame]]) -> None:
    _, frames = market
    assert sum(len(frame.sightings) for frame in frames) > 12
    for frame in frames:
        for sighting in frame.sightings:
            mine = frame.owner == sighting.walker
            assert sighting.visible.sum() == mine.sum()
            assert (sighting.visible <= sighting.inside).all()
            assert (sighting.inside <= sighting.drawn).all()
            assert np.array_equal(np.bincount(frame.parts[mine], minlength=len(sighting.visible)), sighting.visible)


def test_boxes_contain_the_persons_pixels(market: tuple[Film, list[Frame]]) -> None:
    _, frames = market
    for frame in frames:
        for sighting in frame.sightings:
            rows, columns = np.nonzero(frame.owner == sighting.walker)
            if len(rows) == 0:
                continue
            left, top, width, height = sighting.box
            assert columns.min() + 1 > left
            assert rows.min() + 1 > top
            assert columns.max() < left + width
            assert rows.max() < top + height


def test_pixels_of_a_top_have_its_colour(market: tuple[Film, list[Frame]]) -> None:
    """Through the camera's light, which multiplies colours, and the figure's shading, which makes them darker."""
    film, frames = market
    light = np.array(film.scene.light.tint) * film.scene.light.gain
    checked = 0
    for frame in frames:
        for sighting in frame.sightings:
            top = (frame.owner == sighting.walker) & (frame.parts == Part.TOP)
            if top.sum() < 120:
                continue
            seen = np.median(frame.picture[top], axis=0) / 255
            lit = np.array(film.walkers[sighting.walker].who.top) * light
            shade = float(seen @ lit / (lit @ lit))
            assert 0.7 < shade < 1.15
            assert np.abs(seen - shade * lit).max() < 0.06
            checked += 1
    assert checked >= 5


def test_things_in_front_hide_people(market: tuple[Film, list[Frame]]) -> None:
    _, frames = market
    assert any(s.visible.sum() < s.inside.sum() for frame in frames for s in frame.sightings)


def test_pixels_depend_on_the_seed_alone(schema: AttributeSchema) -> None:
    config = replace(SPARSE, seconds=2.0, width=320, height=180)
    first, second = ([frame.picture for frame in Film(config, 1, schema).frames()] for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    other = next(Film(replace(config, seed=4), 1, schema).frames())
    assert not np.array_equal(first[0], other.picture)


def test_a_tint_is_the_colour_of_the_light(schema: AttributeSchema) -> None:
    """Of a part of the picture, most of which is lit."""
    config = replace(SPARSE, seconds=1.0, width=320, height=180, people_per_minute=0.01)
    plain, tinted = (
        next(Film(c, 1, schema).frames()).picture[60:120, 100:220].reshape(-1, 3).mean(axis=0)
        for c in (config, replace(config, tint=(1.1, 1.0, 0.6)))
    )
    assert tinted / plain == pytest.approx([1.1, 1.0, 0.6], rel=0.1)


def test_noise_is_as_strong_as_configured(schema: AttributeSchema) -> None:
    config = replace(SPARSE, seconds=2.0, people_per_minute=0.01)
    first, second = (frame.picture.astype(np.float64) for frame in Film(config, 1, schema).frames())
    difference = (first - second)[100:200, 250:400]
    assert difference.std() / np.sqrt(2) == pytest.approx(config.difficulty.noise, rel=0.15)


def _tracks(config: StreetConfig, schema: AttributeSchema) -> list[FilmedTrack]:
    tracks = []
    for number in range(config.cameras):
        film = Film(config, number, schema)
        tracker = Tracker(config, film.scene.camera, film.walkers, schema)
        for index, frame in enumerate(film.frames()):
            for sighting in frame.sightings:
                tracker.add(index, sighting)
        tracks += tracker.tracks()
    return tracks


def _assert_floor(tracks: list[FilmedTrack]) -> None:
    """The demo's promise: nobody large, and a quarter of the tracklets hidden for a fifth of their frames or more."""
    medians = [np.median([box[3] for box in track.boxes]) for track in tracks]
    assert np.median(medians) <= 110
    hidden = [track.hidden_frames / (track.frames[-1] - track.frames[0] + 1) for track in tracks]
    assert np.mean([share >= 0.2 for share in hidden]) >= 0.25


def test_configured_blur_and_noise_keep_their_floor() -> None:
    assert Difficulty().noise >= 3.0
    assert Difficulty().exposure_s >= 0.02
    assert Difficulty().lens_blur_px >= 0.5
    assert Difficulty().crf >= 23


def test_the_street_is_no_easier_than_its_floor(schema: AttributeSchema) -> None:
    """The default street's people and ways, looked at once a second."""
    tracks = _tracks(replace(StreetConfig(), fps=1, min_boxes=2), schema)
    assert len(tracks) > 100
    _assert_floor(tracks)


def test_directions_are_clear(schema: AttributeSchema) -> None:
    """Nobody walks so obliquely that two directions would fit: mean headings keep 5 degrees from the diagonals."""
    tracks = _tracks(replace(StreetConfig(), fps=1, min_boxes=3, cameras=3, seconds=15), schema)
    off = [abs(track.mean_turn / (np.pi / 2) - round(track.mean_turn / (np.pi / 2))) * 90 for track in tracks]
    assert np.mean([o > 40 for o in off]) < 0.02


@pytest.mark.slow
def test_every_frame_of_the_default_street_keeps_the_floor(schema: AttributeSchema) -> None:
    tracks = _tracks(StreetConfig(), schema)
    assert len(tracks) > 150
    _assert_floor(tracks)
