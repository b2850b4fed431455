"""A camera of the street projects as a pinhole does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from par_model.demo.camera import Camera

CAMERA = Camera(640, 360, height_m=2.0, pitch=0.0, fov=0.7)


def test_a_camera_projects_as_a_pinhole_does() -> None:
    uv, depth = CAMERA.project(np.array([[0.0, 2.0, 10.0], [1.0, 1.0, 10.0]]))
    assert uv[0] == pytest.approx([320.0, 180.0])
    assert uv[1] == pytest.approx([320.0 + CAMERA.focal / 10, 180.0 + CAMERA.focal / 10])
    assert depth == pytest.approx([10.0, 10.0])
    assert CAMERA.focal == pytest.approx(180 / np.tan(0.35))
    turned = replace(CAMERA, yaw=np.pi / 2)
    uv, depth = turned.project(np.array([10.0, 2.0, 0.0]))
    assert uv == pytest.approx([320.0, 180.0])
    assert depth == pytest.approx(10.0)
    sight = CAMERA.rays(1)[180, 320]
    assert sight / np.linalg.norm(sight) == pytest.approx([0.0, 0.0, 1.0], abs=2e-3)
