"""`parjob weights`: what it makes, what it shows, and the line it ends with when it cannot."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from par_model.model.weights import load_weights, read_header
from tests import released_weights as rule
from tests.cli.run import parjob
from tests.model.test_openpar import write_checkpoint, write_clip
from tests.released_weights import small_clip_shapes, small_par_shapes


def test_show(tiny_weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert parjob("weights", "show", tiny_weights) == 0
    text = capsys.readouterr().out
    assert parjob("weights", "show", tiny_weights, "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    header = read_header(str(tiny_weights))
    assert facts["model_id"] == header.model_id
    assert facts["config"] == header.config.to_dict()
    assert facts["preprocess"] == header.preprocess.to_dict()
    assert facts["schema"]["classes"] == list(header.schema.score_fields)
    counts = facts["parameters"]
    recogniser, _ = load_weights(str(tiny_weights))
    assert counts["trained"] == sum(p.numel() for p in recogniser.tune("side"))
    assert counts["frozen"] == sum(p.numel() for p in recogniser.backbone.parameters())
    assert counts["total"] == counts["trained"] + counts["frozen"] + counts["unused"]
    for fact in (header.model_id, f"{counts['total']:,} total", f"{counts['frozen']:,} frozen", "street: "):
        assert fact in text
    assert f"{facts['flops_per_tracklet'] / 1e9:.1f} G a tracklet of 3 frames" in text


def test_show_of_what_is_no_weights_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert parjob("weights", "show", tmp_path / "nothing") == 1
    torch.save({}, tmp_path / "c.pth")
    assert parjob("weights", "show", tmp_path / "c.pth") == 1
    said = capsys.readouterr().err.splitlines()
    assert "no such file" in said[0]
    assert "a pickle" in said[1]
    assert len(said) == 2


def test_import_openpar(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = rule.by_rule("clip", small_clip_shapes())
    checkpoint = write_checkpoint(tmp_path / "r.pth", rule.by_rule("par", small_par_shapes(width=144)), clip)
    command = ["weights", "import-openpar", checkpoint, "--clip", write_clip(tmp_path / "clip.pt", clip)]
    command += ["--schema", "mars", "--output", str(tmp_path / "w")]
    assert parjob(*command) == 0
    assert "spatial map 2, as far as the tensors tell" in capsys.readouterr().err
    assert parjob("weights", "show", tmp_path / "w") == 0
    shown = capsys.readouterr().out
    assert "quickgelu" in shown
    assert "mean 0.5/0.5/0.5, std 0.5/0.5/0.5" in shown
    assert "at most 8" in shown
    assert parjob(*command, "--spatial-map", "7") == 2
    assert "does not fit" in capsys.readouterr().err
    both = {"model": clip, "ema": {f"module.{name}": tensor for name, tensor in clip.items()}}
    torch.save(both, tmp_path / "clip.pt")
    assert parjob(*command) == 1
    assert "--checkpoint-key ema" in capsys.readouterr().err
    before = (tmp_path / "w").read_bytes()
    assert parjob(*command, "--checkpoint-key", "ema") == 0
    assert (tmp_path / "w").read_bytes() == before


def test_the_module_imports_nothing_heavy() -> None:
    code = "import sys, par_model.cli.weights; sys.exit(any(m in sys.modules for m in ('torch', 'open_clip', 'ray')))"
    subprocess.run([sys.executable, "-c", code], check=True)
