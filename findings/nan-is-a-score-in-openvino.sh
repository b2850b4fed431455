#!/usr/bin/env bash
# openvino 2026.4.1, onnxruntime 1.32.0, onnx 1.23.2, numpy 2.4.6, Python 3.11, x86-64: a network that stretches each
# picture to its own range, (x - min) / (max - min), as for thermal cameras, and then has one convolution, an
# activation and a sigmoid. The picture is all one grey, as where a camera is covered: 0 / 0 is NaN.
#
# Guess: NaN goes through every layer, so that the scores are NaN in both engines, and whoever looks for NaN finds the
# picture.
#
# Seen: so it does in onnxruntime, whatever the activation. In OpenVINO it ends at ReLU, Clip (ReLU6) and HardSigmoid,
# where NaN becomes 0 or 1, and the scores are numbers like any others, up to 0.95 here. It goes through Sigmoid,
# LeakyRelu, Elu, Erf and HardSwish.
#
# Output seen:
#   no activation  onnxruntime [nan, nan]  OpenVINO [nan, nan]
#   Relu           onnxruntime [nan, nan]  OpenVINO [0.5, 0.5]
#   Clip           onnxruntime [nan, nan]  OpenVINO [0.5, 0.5]
#   HardSigmoid    onnxruntime [nan, nan]  OpenVINO [0.947, 0.792]
#   LeakyRelu      onnxruntime [nan, nan]  OpenVINO [nan, nan]
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet openvino==2026.4.1 onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
cat > "$folder/see.py" <<'PY'
import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper, numpy_helper

onnxruntime.set_default_logger_severity(3)
draw = np.random.default_rng(0)
WEIGHTS = {
    "kernel": draw.normal(size=(4, 3, 3, 3)).astype(np.float32),
    "bias": draw.normal(size=4).astype(np.float32),
    "head": draw.normal(size=(4, 2)).astype(np.float32),
    "low": np.float32(0),
    "high": np.float32(6),
}
ACTIVATIONS = {
    "no activation": helper.make_node("Identity", ["seen"], ["active"]),
    "Relu": helper.make_node("Relu", ["seen"], ["active"]),
    "Clip": helper.make_node("Clip", ["seen", "low", "high"], ["active"]),
    "HardSigmoid": helper.make_node("HardSigmoid", ["seen"], ["active"]),
    "LeakyRelu": helper.make_node("LeakyRelu", ["seen"], ["active"]),
}
picture = np.full((1, 3, 8, 8), 40, np.float32)
core = openvino.Core()


def network(activation):
    nodes = [
        helper.make_node("ReduceMin", ["x"], ["min"], keepdims=1),
        helper.make_node("ReduceMax", ["x"], ["max"], keepdims=1),
        helper.make_node("Sub", ["x", "min"], ["above"]),
        helper.make_node("Sub", ["max", "min"], ["range"]),
        helper.make_node("Div", ["above", "range"], ["stretched"]),
        helper.make_node("Conv", ["stretched", "kernel", "bias"], ["seen"]),
        activation,
        helper.make_node("GlobalAveragePool", ["active"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "head"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["y"]),
    ]
    shapes = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", [1, 3, 8, 8]), ("y", [1, 2]))]
    held = [numpy_helper.from_array(np.asarray(value), name) for name, value in WEIGHTS.items()]
    graph = helper.make_graph(nodes, "network", shapes[:1], shapes[1:], held)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def words(scores):
    return f"[{', '.join(f'{score:.3g}' for score in scores)}]"


for name, activation in ACTIVATIONS.items():
    model = network(activation)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    runtime = session.run(None, {"x": picture})[0][0]
    compiled = core.compile_model(core.read_model(model), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    vino = compiled(picture)[0][0]
    print(f"{name:14} onnxruntime {words(runtime)}  OpenVINO {words(vino)}")
    assert np.isnan(runtime).all(), runtime
    ends = name in ("Relu", "Clip", "HardSigmoid")
    assert np.isfinite(vino).all() if ends else np.isnan(vino).all(), (name, vino)
PY
"$folder/venv/bin/python" "$folder/see.py"
