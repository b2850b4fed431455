"""Py-motmetrics only reads tracks; this is its table of them as pandas writes it: moved by one pixel, in its reader."""

import sys
import tempfile
from pathlib import Path

import motmetrics

with tempfile.TemporaryDirectory() as folder:
    source = Path(folder) / "gate.txt"
    source.write_text("1,1,11,21,30,60,1,-1,-1,-1\n2,1,12.5,21,30,60,1,-1,-1,-1\n2,2,101,31,20.5,50,0.75,-1,-1,-1\n")
    motmetrics.io.loadtxt(str(source), fmt="mot15-2D").to_csv(sys.argv[1])
