#!/usr/bin/env bash
# Pillow 13.0.0, opencv-python-headless 5.0.0.93, openvino 2026.4.1, numpy 2.4.6, Python 3.11: a person's crop of
# 32x64 is enlarged to 128x256, as most crops of surveillance footage are before a network sees them.
#
# Guess: that OpenCV does not smooth before it shrinks is known. Where a picture grows there is nothing to smooth, so
# "bicubic" of the three is one formula, and they agree to a level or two, as their bilinear does.
#
# Seen: there are two bicubic kernels, by their parameter a. Pillow's has -0.5, that of OpenCV and of OpenVINO's
# RESIZE_CUBIC -0.75, which overshoots more at edges: up to 23 levels of 255, 4.9 on average in a picture of noise.
# OpenVINO has Pillow's as RESIZE_BICUBIC_PILLOW, a name that speaks of smoothing rather than of another kernel.
# Bilinear agrees to 1.
#
# Output seen (greatest difference, mean):
#   bilinear, Pillow and OpenCV:                            1  ...
#   bicubic, Pillow and OpenCV:                            23  4.93
#   bicubic, OpenCV and OpenVINO RESIZE_CUBIC:              0  ...
#   bicubic, Pillow and OpenVINO RESIZE_BICUBIC_PILLOW:     1  ...
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 opencv-python-headless==5.0.0.93 openvino==2026.4.1 numpy==2.4.6
cd "$folder"
OPENVINO_TELEMETRY_OPT_OUT=1 venv/bin/python - <<'PY'
import cv2
import numpy as np
import openvino as ov
from openvino import opset13
from openvino.preprocess import PrePostProcessor, ResizeAlgorithm
from PIL import Image

WIDTH, HEIGHT = 128, 256
crop = np.where(np.random.default_rng(0).random((64, 32, 1)) < 0.5, 30, 220).astype(np.uint8).repeat(3, axis=2)


def pillow(method):
    return np.asarray(Image.fromarray(crop).resize((WIDTH, HEIGHT), method))


def opencv(method):
    return cv2.resize(crop, (WIDTH, HEIGHT), interpolation=method)


def openvino(method):
    given = opset13.parameter([1, HEIGHT, WIDTH, 3], np.float32)
    steps = PrePostProcessor(ov.Model([opset13.relu(given)], [given]))
    steps.input().tensor().set_shape([1, *crop.shape]).set_layout(ov.Layout("NHWC"))
    steps.input().model().set_layout(ov.Layout("NHWC"))
    steps.input().preprocess().resize(method)
    compiled = ov.Core().compile_model(steps.build(), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.rint(compiled({0: crop[None].astype(np.float32)})[0][0].clip(0, 255))


def apart(name, one, other):
    difference = np.abs(one.astype(float) - other.astype(float))
    print(f"{name + ':':55}{difference.max():3.0f}  {difference.mean():.2f}")
    return difference.max(), difference.mean()


bicubic = pillow(Image.Resampling.BICUBIC), opencv(cv2.INTER_CUBIC)
linear = apart("bilinear, Pillow and OpenCV", pillow(Image.Resampling.BILINEAR), opencv(cv2.INTER_LINEAR))
cubic = apart("bicubic, Pillow and OpenCV", *bicubic)
same = apart("bicubic, OpenCV and OpenVINO RESIZE_CUBIC", bicubic[1], openvino(ResizeAlgorithm.RESIZE_CUBIC))
name = "bicubic, Pillow and OpenVINO RESIZE_BICUBIC_PILLOW"
smoothed = apart(name, bicubic[0], openvino(ResizeAlgorithm.RESIZE_BICUBIC_PILLOW))
assert linear[0] <= 1 and cubic[0] > 15 and cubic[1] > 3 and same[0] <= 1 and smoothed[0] <= 1
PY
