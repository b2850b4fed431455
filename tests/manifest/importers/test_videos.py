"""What a video is called."""

from __future__ import annotations

from par_model.manifest.importers.videos import stem


def test_a_stem_is_a_name_without_its_suffix() -> None:
    assert [stem(uri) for uri in ("s3://b/a.b.mp4", "/x/.mp4", "plain")] == ["a.b", ".mp4", "plain"]
