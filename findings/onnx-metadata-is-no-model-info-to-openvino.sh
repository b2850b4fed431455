#!/usr/bin/env bash
# openvino 2026.4.1, onnx 1.23.2, Python 3.11: what a detector's ONNX file says of its labels and colours, read by OpenVINO
# and converted to its IR.
#
# OpenVINO's Model API looks for a network's labels, and whether it wants red first, under rt_info "model_info". In ONNX,
# exporters write the same into the file's metadata, keys joined by a blank: "model_info labels".
#
# Guess: OpenVINO, which reads ONNX itself, gives them under "model_info", or at the latest the IR that it saves does.
#
# Seen: they lie under "framework", the blank still in the key. Saving as IR and reading that changes nothing, so a
# converted detector has its labels and colours on board and no label as far as "model_info" goes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet openvino==2026.4.1 onnx==1.23.2 2>/dev/null

cat > "$folder/see.py" <<'PYTHON'
import sys
from pathlib import Path

import onnx
import openvino
from onnx import TensorProto, helper

folder = Path(sys.argv[1])
said = {"model_info labels": "background person", "model_info reverse_input_channels": "True"}
given = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 32, 64])
found = helper.make_tensor_value_info("found", TensorProto.FLOAT, [1, 3, 32, 64])
graph = helper.make_graph([helper.make_node("Relu", ["images"], ["found"])], "network", [given], [found])
network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
helper.set_model_props(network, said)
onnx.save(network, folder / "network.onnx")

core = openvino.Core()
read = core.read_model(folder / "network.onnx")
openvino.save_model(read, folder / "network.xml")
converted = core.read_model(folder / "network.xml")
for name, model in (("ONNX", read), ("IR of it", converted)):
    of_model_api = {key: model.has_rt_info(key.split(" ")) for key in said}
    of_framework = {key: model.get_rt_info(["framework", key]).value for key in said}
    print(f"{name}: under model_info {of_model_api}; under framework {of_framework}")
    assert not any(of_model_api.values())
    assert of_framework == said
PYTHON
"$folder/venv/bin/python" "$folder/see.py" "$folder"
