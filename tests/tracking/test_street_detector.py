"""The small detector that ships, on a street that it has not seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import max_pool2d
from torchvision.ops import box_iou, clip_boxes_to_image

from par_model.attributes import load_schema
from par_model.demo.config import StreetConfig
from par_model.demo.film import Film
from par_model.errors import UsageError
from par_model.tracking.detector import load_detector
from par_model.tracking.street_detector import (
    StreetDetector,
    persons,
    scaled_down,
    scaled_picture,
    weights_file,
)
from par_model.tracking.street_network import Cells, StreetNetwork, filled_up, taken_size


def test_it_is_small() -> None:
    assert Path(str(weights_file())).stat().st_size < 1_200_000


def test_it_finds_the_people_of_a_street_that_it_has_not_seen() -> None:
    """Whoever is well in view, in pictures of two cameras; and what it is sure of are people."""
    detector = load_detector("demo", device="cpu", threads=1)
    config = StreetConfig(seed=3003, cameras=4, seconds=40, fps=0.1, min_boxes=1)
    true = found = sure = right = 0
    for number in (1, 2):
        for frame in Film(config, number, load_schema("street")).frames():
            whole = torch.tensor([[x, y, x + w, y + h] for x, y, w, h in (s.box for s in frame.sightings)])
            people = clip_boxes_to_image(whole.reshape(-1, 4), (config.height, config.width))
            clear = torch.tensor([s.visible.sum() > 0.5 * s.drawn.sum() and s.box[3] > 50 for s in frame.sightings])
            (given,) = detector.detect([frame.picture])
            small = scaled_picture(frame.picture)
            (same,) = detector.detect([small], (config.width, config.height))
            assert small.shape == (180, 320, 3)
            assert same.boxes.tolist() == given.boxes.tolist()
            assert same.scores.tolist() == given.scores.tolist()
            overlap = box_iou(people, torch.from_numpy(given.boxes[given.scores > 0.5]))
            true, found = true + int(clear.sum()), found + int((overlap[clear.bool()] > 0.5).any(1).sum())
            sure, right = sure + overlap.shape[1], right + int((overlap > 0.3).any(0).sum())
    assert true > 20
    assert found >= 0.9 * true
    assert right >= 0.9 * sure


def test_it_takes_no_options_of_others() -> None:
    for options in ({"person_class": "1"}, {"input_style": "rgb01"}):
        with pytest.raises(UsageError, match="finds persons and nothing else"):
            load_detector("demo", **options)  # type: ignore[arg-type]


def test_what_it_says_does_not_hang_on_threads_or_on_what_is_beside() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (360, 640, 3), np.uint8)
    one = StreetDetector(device="cpu", threads=1).detect([picture])[0]
    (two, _) = StreetDetector(device="cpu", threads=2).detect([picture, picture[::-1].copy()])
    assert one.boxes == pytest.approx(two.boxes, abs=0.05)
    assert one.scores == pytest.approx(two.scores, abs=1e-3)
    torch.set_num_threads(1)


@pytest.mark.parametrize(("height", "width"), [(360, 640), (1080, 1920), (64, 64), (181, 99), (720, 576)])
def test_pictures_scaled_by_those_who_decode_reach_the_network_as_it_scales_them(height: int, width: int) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    small = scaled_picture(np.frombuffer(picture.tobytes(), np.uint8).reshape(picture.shape))
    assert small.shape[:2] == (taken_size(height, width) if height > 180 else (height, width))
    assert small.flags.owndata
    given, scaled = (scaled_down(torch.from_numpy(one)[None].permute(0, 3, 1, 2)) for one in (picture, small))
    assert torch.equal(given, scaled)


@pytest.mark.parametrize(("height", "width"), [(360, 640), (1080, 1920), (64, 64), (720, 576)])
def test_pictures_of_any_size_are_taken(height: int, width: int) -> None:
    (found,) = load_detector("demo", device="cpu").detect([np.full((height, width, 3), 120, np.uint8)])
    assert (found.scores < 0.5).all()
    rows, columns = taken_size(height, width)
    assert rows == 180
    assert columns == round(180 * width / height)
    assert [side % 16 for side in filled_up(torch.zeros(1, 3, rows, columns)).shape[-2:]] == [0, 0]


def test_a_low_and_wide_picture_is_not_scaled_up_to_be_as_high_as_others() -> None:
    """It would be 180 by 46080 pixels."""
    assert taken_size(16, 4096) == (16, 4096)
    assert taken_size(16, 8192) == (8, 4096)
    assert taken_size(1080, 7680) == (180, 1280)
    (found,) = load_detector("demo", device="cpu").detect([np.full((16, 4096, 3), 120, np.uint8)])
    assert (found.scores < 0.5).all()


def test_fusing_changes_nothing() -> None:
    torch.manual_seed(0)
    network, picture = StreetNetwork(), torch.rand(1, 3, 48, 64)
    network.train()(torch.rand(4, 3, 48, 64))  # gives the normalisations something to remember
    with torch.inference_mode():
        before = network.eval()(picture)
        after = network.fused()(picture)
    for one, other in zip(before, after, strict=True):
        assert one.numpy() == pytest.approx(other.numpy(), abs=1e-3)


@torch.inference_mode()
@pytest.mark.parametrize(("likely", "most"), [(768, 2000), (300, 2000), (300, 100), (1, 2000), (0, 2000)])
def test_speakers_are_the_likely_cells_that_say_so_most_of_all_beside(likely: int, most: int) -> None:
    """With the answers that all cells have, also at the edges."""
    torch.manual_seed(0)
    network = StreetNetwork().eval()
    for tensor in (network.heads.score.weight, *network.speaks.parameters()):
        torch.nn.init.normal_(tensor)
    features = network.finest_features(torch.rand(2, 3, 48, 64))
    everywhere = network.cells(features)
    expected_of_all = 0
    for picture in (0, 1):
        logits, speaking = everywhere.logits[picture], everywhere.speaking[picture]
        order = [*logits.flatten().sort(descending=True).values.tolist(), -99.0]
        least = 99.0 if likely == 0 else (order[likely - 1] + order[likely]) / 2
        middle = speaking.flatten().sort().values[383:385]
        surely = float(middle.mean())
        looked_at = max(least, order[most] + 1e-6 if most < likely else least)
        competing = torch.where(logits >= looked_at, speaking, -torch.inf)
        is_most = competing == max_pool2d(competing[None, None], 3, 1, 1)[0, 0]
        numbers = torch.where((is_most & (competing >= surely)).flatten())[0]
        numbers = numbers[speaking.flatten()[numbers].argsort(descending=True)]
        expected_of_all += len(numbers)
        cells = network.speakers(features[picture], least, surely, most)
        assert cells.logits.tolist() == pytest.approx(logits.flatten()[numbers].tolist(), abs=1e-4)
        assert cells.speaking.tolist() == pytest.approx(speaking.flatten()[numbers].tolist(), abs=1e-4)
        boxes = everywhere.boxes[picture].flatten(1)[:, numbers].T
        assert cells.boxes.shape == (len(numbers), 4)
        assert cells.boxes.numpy() == pytest.approx(boxes.numpy(), abs=1e-3)
    if likely == 768:
        assert 40 < expected_of_all < 400
    if most == 100:
        assert 4 < expected_of_all < 100


def test_a_person_is_given_once_and_neighbours_apart() -> None:
    cells = said(
        (1.0, [0, 0, 8, 16], 0.5),  # found surely, but another cell speaks for them
        (2.0, [0, 0, 8, 17], 1.0),
        (-0.5, [2, 0, 10, 16], 0.4),  # somebody beside them: the boxes overlap by 0.57
        (0.0, [20, 0, 28, 16], 0.0),
    )
    found, scores = persons(cells, torch.tensor([2.0, 3.0, 2.0, 3.0]))
    assert found.tolist() == [[0, 0, 16, 51], [4, 0, 20, 48], [40, 0, 56, 48]]
    assert scores.tolist() == pytest.approx([0.9526, 0.6225, 0.7311], abs=1e-4)
    close = said((1.0, [0, 0, 100, 10], 1.0), (1.0, [16, 0, 116, 10], 0.5), (1.0, [0, 50, 100, 60], 1.0))
    assert len(persons(close, torch.ones(4))[0]) == 2  # an overlap of 0.72, and none
    close = said((1.0, [0, 0, 100, 10], 1.0), (1.0, [19, 0, 119, 10], 0.5))
    assert len(persons(close, torch.ones(4))[0]) == 2  # of 0.68
    apart = [(1.0, [10 * n, 0, 10 * n + 8, 16], 0.01 * n) for n in range(120)]
    assert persons(said(*apart), torch.ones(4))[0][:, 0].tolist() == [10 * n for n in range(119, 19, -1)]
    nobody = Cells(torch.zeros(0), torch.zeros(0, 4), torch.zeros(0))
    assert [len(one) for one in persons(nobody, torch.ones(4))] == [0, 0]


def said(*of_cells: tuple[float, list[int], float]) -> Cells:
    """Of each cell that speaks: logit, box and logit of speaking."""
    return Cells(*(torch.tensor(column, dtype=torch.float32) for column in zip(*of_cells, strict=True)))
