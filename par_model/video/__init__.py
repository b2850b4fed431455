"""Frames: exact reading, crops, still images. ``stage.DecodeStage`` is the way in; only this folder imports av."""
