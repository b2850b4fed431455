"""Detectors in OpenVINO IR and ONNX files, on networks that tell what they were given."""

from __future__ import annotations

import shutil
from pathlib import Path

import fsspec
import numpy as np
import pytest

from par_model.errors import UsageError, WeightsError
from par_model.storage import PlaceError
from par_model.tracking.detector import describe_detector, load_detector
from par_model.tracking.openvino_detector import OpenVinoDetector
from tests.tracking.networks import plain, save_boxes, save_ssd

pytest.importorskip("openvino")
PICTURE = plain(51, 102, 204)  # 0.2, 0.4 and 0.8 of 255
STEP = 1 / 4096


def scores(location: str, **options: str) -> list[float]:
    """By the network's own order of its first two boxes."""
    (found,) = OpenVinoDetector(location, **({"person_class": "1"} | options)).detect([PICTURE])  # type: ignore[arg-type]
    by_box = dict(zip(map(tuple, found.boxes.tolist()), found.scores.tolist(), strict=True))
    return [by_box.get(box, 0.0) for box in [(40, 22.5, 120, 67.5), (80, 0, 160, 45)]]


def test_an_ir_gets_blue_first_from_0_to_255(tmp_path: Path) -> None:
    detector = load_detector(save_ssd(tmp_path / "d.xml"), person_class="1", threads=1)
    (found,) = detector.detect([PICTURE])
    assert found.boxes.tolist() == [[40, 22.5, 120, 67.5], [80, 0, 160, 45]]
    assert found.scores == pytest.approx([0.8, 0.4], abs=STEP)


def test_another_class_and_a_box_over_the_edge(tmp_path: Path) -> None:
    (found,) = load_detector(save_ssd(tmp_path / "d.xml"), person_class="2").detect([PICTURE])
    assert found.boxes.tolist() == [[0, 45, 40, 90]]
    assert found.scores == pytest.approx([0.2], abs=STEP)


@pytest.mark.parametrize(
    ("style", "parts_of", "expected"),
    [
        ("bgr255", 255, [0.8, 0.4]),
        ("rgb255", 255, [0.2, 0.4]),
        ("rgb01", 1, [0.2, 0.4]),
        ("imagenet", -2, [(51 - 123.675) / 58.395 / -2, (102 - 116.28) / 57.12 / -2]),
    ],
)
def test_how_it_wants_its_picture_can_be_told(
    style: str, parts_of: float, expected: list[float], tmp_path: Path
) -> None:
    location = save_ssd(tmp_path / "d.xml", parts_of=parts_of)
    if style == "imagenet":  # the third channel is above the mean, which would be a score below 0
        assert expected == pytest.approx([0.622, 0.125], abs=1e-3)
    assert scores(location, input_style=style) == pytest.approx(expected, abs=STEP)


def test_what_the_file_says_of_itself_is_used(tmp_path: Path) -> None:
    told = {"labels": "background car pedestrian", "reverse_input_channels": "True", "scale_values": "255 255 255"}
    location = save_ssd(tmp_path / "d.xml", told=told, parts_of=1)
    detector = load_detector(location)
    (found,) = detector.detect([plain(0, 0, 102)])
    assert found.scores == pytest.approx([0.4], abs=STEP)
    assert detector.describe()["person_class"] == 2
    assert detector.describe()["input"] == {"bgr": False, "mean": [], "scale": [255, 255, 255]}
    assert scores(location, person_class="car") == pytest.approx([0.2, 0.4], abs=STEP)


def test_what_an_onnx_file_says_of_itself_is_used(tmp_path: Path) -> None:
    told = {"labels": "car pedestrian", "reverse_input_channels": "True"}
    detector = load_detector(save_boxes(tmp_path / "d.onnx", told=told))
    (found,) = detector.detect([plain(51, 102, 204)])
    assert found.scores == pytest.approx([0.8], abs=STEP)
    assert detector.describe()["person_class"] == 1


@pytest.mark.parametrize("with_sizes", [False, True])
def test_onnx_with_boxes_in_pixels(with_sizes: bool, tmp_path: Path) -> None:
    location = save_boxes(tmp_path / "d.onnx", with_sizes=with_sizes)
    (found,) = load_detector(location, person_class="0", input_style="rgb255").detect([PICTURE])
    assert found.boxes.tolist() == [[80, 0, 160, 45], [40, 22.5, 120, 67.5]]
    assert found.scores == pytest.approx([0.4, 0.2], abs=STEP)


def test_a_network_of_one_class_needs_none_and_takes_none(tmp_path: Path) -> None:
    location = save_boxes(tmp_path / "d.onnx", classes=False)
    (found,) = load_detector(location, input_style="rgb255").detect([PICTURE])
    assert found.scores == pytest.approx([0.8, 0.4, 0.2], abs=STEP)
    with pytest.raises(WeightsError, match="gives no classes, so leave out --person-class"):
        load_detector(location, person_class="1", input_style="rgb255")


def test_pictures_of_any_size_are_resized_by_the_network(tmp_path: Path) -> None:
    detector = load_detector(save_ssd(tmp_path / "d.xml"), person_class="1")
    for height, width in [(32, 64), (1080, 1920), (7, 5)]:
        (found,) = detector.detect([plain(51, 102, 204, height=height, width=width)])
        assert found.scores == pytest.approx([0.8, 0.4], abs=STEP)
        assert found.boxes[1].tolist() == [width / 2, 0, width, height / 2]


def test_threads_change_nothing(tmp_path: Path) -> None:
    location = save_ssd(tmp_path / "d.xml")
    picture = np.random.default_rng(0).integers(0, 256, (90, 160, 3), np.uint8)
    answers = [load_detector(location, person_class="1", threads=n).detect([picture])[0] for n in (1, 2, None)]
    assert len({one.boxes.tobytes() + one.scores.tobytes() for one in answers}) == 1


def test_its_record_is_that_of_its_files(tmp_path: Path) -> None:
    first = load_detector(save_ssd(tmp_path / "a.xml"), person_class="1").describe()
    for end in ("xml", "bin"):
        shutil.copyfile(tmp_path / f"a.{end}", tmp_path / f"b.{end}")
    again = load_detector(str(tmp_path / "b.xml"), person_class="1").describe()
    weights = bytearray((tmp_path / "b.bin").read_bytes())
    weights[weights.index(np.float32(255).tobytes())] ^= 1
    (tmp_path / "b.bin").write_bytes(weights)
    other = load_detector(str(tmp_path / "b.xml"), person_class="1").describe()
    assert first == again == describe_detector(str(tmp_path / "a.xml"), person_class="1")
    assert (first["kind"], first["precision"]) == ("openvino", "float32")
    assert first["sha256"] != other["sha256"]


def test_what_nothing_says_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"which of its classes is a person: .* \(in the Open Model Zoo 1"):
        load_detector(save_ssd(tmp_path / "d.xml"))
    with pytest.raises(UsageError, match="give --detector-input, one of bgr255, rgb255, rgb01, imagenet"):
        load_detector(save_boxes(tmp_path / "d.onnx"), person_class="0")


def test_files_that_are_missing_or_damaged_are_named(tmp_path: Path) -> None:
    location = save_ssd(tmp_path / "d.xml")
    weights = tmp_path / "d.bin"
    weights.write_bytes(weights.read_bytes()[:10])
    with pytest.raises(WeightsError, match=r"d\.xml: OpenVINO cannot read it: "):
        load_detector(location, person_class="1")
    weights.unlink()
    with pytest.raises(WeightsError, match=r"its weights are not beside it: .*d\.bin is missing"):
        load_detector(location, person_class="1")
    with pytest.raises(PlaceError, match=r"none\.xml"):
        load_detector(str(tmp_path / "none.xml"))
    (tmp_path / "no.onnx").write_bytes(b"\x08\x09 no network")
    with pytest.raises(WeightsError, match=r"no\.onnx: OpenVINO cannot read it"):
        load_detector(str(tmp_path / "no.onnx"))


def test_a_network_that_takes_no_single_picture_is_refused(tmp_path: Path) -> None:
    import openvino as ov
    from openvino import opset13 as ops

    def saved(name: str, shape: list[int]) -> str:
        given = ops.parameter(ov.PartialShape(shape), ov.Type.f32, name="given")
        boxes = ops.constant(np.zeros((1, 1, 3, 7), np.float32))
        whole = ops.multiply(boxes, ops.reduce_mean(given, ops.constant([0, 1, 2, 3]), False))
        ov.save_model(ov.Model([whole], [given], name), tmp_path / f"{name}.xml")
        return str(tmp_path / f"{name}.xml")

    with pytest.raises(WeightsError, match=r"expected \[1, 3, height, width\] with both fixed"):
        load_detector(saved("open", [1, 3, -1, -1]), person_class="1")
    with pytest.raises(WeightsError, match=r"its picture is .*, expected \[1, 3, height, width\]"):
        load_detector(saved("grey", [1, 1, 32, 64]), person_class="1")


def test_cuda_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="runs by OpenVINO, on CPUs"):
        load_detector(str(tmp_path / "d.xml"), device="cuda")


def test_files_elsewhere_are_fetched(tmp_path: Path) -> None:
    location = save_ssd(tmp_path / "d.xml")
    away = fsspec.filesystem("memory")
    for end in ("xml", "bin"):
        away.pipe_file(f"/detectors/person.{end}", (tmp_path / f"d.{end}").read_bytes())
    try:
        found = describe_detector("memory://detectors/person.xml", person_class="1")
    finally:
        away.rm("/detectors", recursive=True)
    assert found == describe_detector(location, person_class="1")
