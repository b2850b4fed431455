"""Small networks whose answers tell what they were given.

The picture's channel means, in the order in which the network sees its channels, are the scores of its first three
boxes, as parts of 255.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

HEIGHT, WIDTH = 32, 64
CORNERS = [[0.25, 0.25, 0.75, 0.75], [0.5, 0.0, 1.0, 0.5], [0.0, 0.5, 0.25, 1.25]]
CLASSES = [1, 1, 2]


def save_ssd(path: Path, *, told: dict[str, Any] | None = None, parts_of: float = 255.0) -> str:
    """An IR with SSD's output: three boxes of classes 1, 1, 2, an end, and filling. told: its ``model_info``."""
    import openvino as ov
    from openvino import opset13 as ops

    picture = ops.parameter([1, 3, HEIGHT, WIDTH], ov.Type.f32, name="data")
    means = ops.divide(ops.reduce_mean(picture, ops.constant([0, 2, 3]), False), ops.constant(np.float32(parts_of)))
    rows = np.zeros((5, 7), np.float32)
    rows[:3, 1], rows[:3, 3:], rows[3, 0] = CLASSES, CORNERS, -1
    scores = np.zeros((3, 5, 7), np.float32)
    scores[[0, 1, 2], [0, 1, 2], 2] = 1
    placed = ops.reduce_sum(
        ops.multiply(ops.reshape(means, ops.constant([3, 1, 1]), False), ops.constant(scores)), ops.constant([0]), False
    )
    found = ops.reshape(ops.add(placed, ops.constant(rows)), ops.constant([1, 1, 5, 7]), False)
    model = ov.Model([found], [picture], "ssd")
    for key, value in (told or {}).items():
        model.set_rt_info(value, ["model_info", key])
    ov.save_model(model, path, compress_to_fp16=False)
    return str(path)


def save_boxes(
    path: Path, *, with_sizes: bool = False, classes: bool = True, told: dict[str, str] | None = None
) -> str:
    """An ONNX file with boxes in pixels of its input, scores and classes, batch open. with_sizes: boxes are in pixels
    of what the second input says, as width and height. told: its metadata's ``model_info``."""
    from onnx import TensorProto, checker, helper, numpy_helper, save

    corners = np.array(CORNERS, np.float32)
    size = np.array([WIDTH, HEIGHT, WIDTH, HEIGHT], np.float32)
    constants = [
        numpy_helper.from_array(np.array([2, 3]), "sides"),
        numpy_helper.from_array(np.array(255, np.float32), "most"),
        numpy_helper.from_array(corners[None] if with_sizes else (corners * size)[None], "corners"),
        numpy_helper.from_array(np.array([[c - 1 for c in CLASSES]], np.int64), "labels"),
    ]
    nodes = [
        helper.make_node("ReduceMean", ["images", "sides"], ["means"], keepdims=0),
        helper.make_node("Div", ["means", "most"], ["scores"]),
    ]
    inputs = [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, HEIGHT, WIDTH])]
    if with_sizes:
        inputs.append(helper.make_tensor_value_info("orig_target_sizes", TensorProto.INT64, ["n", 2]))
        constants.append(numpy_helper.from_array(np.array([1, 1, 4], np.int64), "wide"))
        nodes += [
            helper.make_node("Cast", ["orig_target_sizes"], ["sizes"], to=TensorProto.FLOAT),
            helper.make_node("Concat", ["sizes", "sizes"], ["twice"], axis=1),
            helper.make_node("Reshape", ["twice", "wide"], ["both"]),
            helper.make_node("Mul", ["corners", "both"], ["boxes"]),
        ]
    else:
        nodes.append(helper.make_node("Identity", ["corners"], ["boxes"]))
    outputs = [
        helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [1, 3, 4]),
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 3]),
    ]
    if classes:
        nodes.append(helper.make_node("Identity", ["labels"], ["classes"]))
        outputs.append(helper.make_tensor_value_info("classes", TensorProto.INT64, [1, 3]))
    graph = helper.make_graph(nodes, "boxes", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, {f"model_info {key}": value for key, value in (told or {}).items()})
    checker.check_model(model)
    save(model, path)
    return str(path)


def plain(red: int, green: int, blue: int, *, height: int = 90, width: int = 160) -> np.ndarray:
    """A picture of one colour."""
    return np.full((height, width, 3), (red, green, blue), np.uint8)
