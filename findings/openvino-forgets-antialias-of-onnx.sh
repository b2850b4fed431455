#!/usr/bin/env bash
# openvino 2026.4.1, onnxruntime 1.32.0, onnx 1.23.2, pillow 13.0.0, numpy 2.4.6, Python 3.11: a network in ONNX that
# makes its input smaller by itself, by Resize with antialias=1.
#
# Guess: an engine smooths as the attribute says, or refuses an attribute that it does not know, as OpenVINO refuses
# Resize's mode half_pixel_symmetric.
#
# Seen: OpenVINO reads the file without a word and does not smooth: its picture is, to the last bit, the one that the
# same file without the attribute gives. onnxruntime smooths, and gives Pillow's picture to a level, but for the
# outermost pixels. Noise comes out up to 89 levels of 255 apart, 26 on average. It passes over
# keep_aspect_ratio_policy="not_larger" in the same way, by which a network fits a picture between grey borders: the
# picture is stretched instead, and boxes lie elsewhere.
#
# Output seen (greatest difference, mean):
#   onnxruntime and Pillow, but for the edge: 1, 0.3
#   OpenVINO and onnxruntime: 89, 26.2
#   OpenVINO with and without antialias: 0, 0.0
#   not_larger than 64x64: onnxruntime 48x64, OpenVINO 64x64
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnxruntime==1.32.0 openvino==2026.4.1 onnx==1.23.2 pillow==13.0.0 numpy==2.4.6
cat > "$folder/see.py" <<'PY'
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

NAMES = "onnxruntime", "OpenVINO"
WIDTH, HEIGHT = 30, 40
picture = np.random.default_rng(0).integers(0, 256, (160, 120)).astype(np.uint8)
given = picture[None, None].astype(np.float32)


def network(size=(HEIGHT, WIDTH), **attributes):
    file = str(Path(sys.argv[1]) / "network.onnx")
    none, size = np.array([], np.float32), np.array(size, np.int64)
    constants = [numpy_helper.from_array(value, name) for name, value in (("roi", none), ("scales", none), ("size", size))]
    resize = helper.make_node(
        "Resize", ["picture", "roi", "scales", "size"], ["small"],
        mode="linear", coordinate_transformation_mode="half_pixel", axes=[2, 3], **attributes,
    )
    inputs, outputs = (
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)]
        for name, shape in (("picture", given.shape), ("small", [1, 1, None, None]))
    )
    graph = helper.make_graph([resize], "network", inputs, outputs, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9), file)
    return file


def by_openvino(**attributes):
    compiled = openvino.Core().compile_model(network(**attributes), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return compiled(given)[0][0, 0]


def by_onnxruntime(**attributes):
    return onnxruntime.InferenceSession(network(**attributes)).run(None, {"picture": given})[0][0, 0]


def apart(name, one, other):
    difference = np.abs(one.astype(np.float32) - other)
    print(f"{name}: {difference.max():.0f}, {difference.mean():.1f}")
    return difference.max()


smoothed = by_onnxruntime(antialias=1)
pillow = np.asarray(Image.fromarray(picture).resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR))
inside = slice(1, -1), slice(1, -1)
assert apart("onnxruntime and Pillow, but for the edge", pillow[inside], smoothed[inside]) <= 1
assert apart("OpenVINO and onnxruntime", by_openvino(antialias=1), smoothed) > 50
assert apart("OpenVINO with and without antialias", by_openvino(antialias=1), by_openvino(antialias=0)) == 0

shapes = [by(size=(64, 64), keep_aspect_ratio_policy="not_larger").shape for by in (by_onnxruntime, by_openvino)]
print("not_larger than 64x64:", *(f"{name} {width}x{height}" for name, (height, width) in zip(NAMES, shapes)))
assert shapes == [(64, 48), (64, 64)], shapes
PY
OPENVINO_TELEMETRY_OPT_OUT=1 "$folder/venv/bin/python" -W ignore "$folder/see.py" "$folder" 2> "$folder/said.txt" ||
    { cat "$folder/said.txt"; exit 1; }
