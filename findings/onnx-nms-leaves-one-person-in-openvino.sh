#!/usr/bin/env bash
# openvino 2026.4.1, onnxruntime 1.32.0, onnx 1.23.2, numpy 2.4.6, Python 3.11: the ONNX operator NonMaxSuppression,
# with which exported detectors end, and three people far apart.
#
# Its iou_threshold is optional and 0 unless given: then boxes that overlap at all suppress one another.
#
# Guess: people who do not overlap are all selected by both engines, and at other thresholds the engines differ in no
# more than the last bits of a quotient.
#
# Seen: onnxruntime selects all three, OpenVINO the best one alone: it suppresses where the overlap reaches the
# threshold, and no overlap reaches 0. onnxruntime, and ONNX's own reference, suppress where it is greater. A
# threshold of one in a million brings all three back. At a threshold of 0.5, two boxes that overlap by exactly a half
# are two people to onnxruntime and one to OpenVINO.
#
# Output seen:
#   not given, far apart: onnxruntime [0, 1, 2], OpenVINO [0]
#   0, far apart: onnxruntime [0, 1, 2], OpenVINO [0]
#   1e-06, far apart: onnxruntime [0, 1, 2], OpenVINO [0, 1, 2]
#   0.5, one is half of the other: onnxruntime [0, 1], OpenVINO [0]
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnxruntime==1.32.0 openvino==2026.4.1 onnx==1.23.2 numpy==2.4.6
cat > "$folder/see.py" <<'PY'
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

FAR = [[0, 0, 100, 40], [0, 300, 100, 340], [0, 600, 100, 640]]
HALF = [[0, 0, 10, 10], [0, 0, 10, 20]]
file = str(Path(sys.argv[1]) / "nms.onnx")


def selected(threshold, boxes):
    constants = [numpy_helper.from_array(np.array([10], np.int64), "at_most")]
    if threshold is not None:
        constants.append(numpy_helper.from_array(np.array([threshold], np.float32), "threshold"))
    inputs = ["boxes", "scores", *(constant.name for constant in constants)]
    shapes = ("boxes", [1, "n", 4]), ("scores", [1, 1, "n"])
    graph = helper.make_graph(
        [helper.make_node("NonMaxSuppression", inputs, ["selected"])],
        "detector",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes],
        [helper.make_tensor_value_info("selected", TensorProto.INT64, ["k", 3])],
        constants,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8), file)
    scores = np.linspace(0.9, 0.5, len(boxes), dtype=np.float32)
    given = {"boxes": np.array([boxes], np.float32), "scores": scores[None, None]}
    compiled = openvino.Core().compile_model(file, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    if threshold is not None:
        reference = ReferenceEvaluator(file).run(None, given)[0][:, 2].tolist()
    found = [onnxruntime.InferenceSession(file).run(None, given)[0], compiled(given)[0]]
    one, other = (rows[:, 2].tolist() for rows in found)
    assert threshold is None or reference == one
    return one, other


for threshold, boxes, name, expected in (
    (None, FAR, "not given, far apart", ([0, 1, 2], [0])),
    (0, FAR, "0, far apart", ([0, 1, 2], [0])),
    (1e-6, FAR, "1e-06, far apart", ([0, 1, 2], [0, 1, 2])),
    (0.5, HALF, "0.5, one is half of the other", ([0, 1], [0])),
):
    seen = selected(threshold, boxes)
    print(f"{name}: onnxruntime {seen[0]}, OpenVINO {seen[1]}")
    assert seen == expected, seen
PY
OPENVINO_TELEMETRY_OPT_OUT=1 "$folder/venv/bin/python" -W ignore "$folder/see.py" "$folder" 2> "$folder/said.txt" ||
    { cat "$folder/said.txt"; exit 1; }
