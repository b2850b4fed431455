"""What makes two jobs the same job, and a manifest one that only grew."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from par_model.errors import OutputError
from par_model.inference.fingerprint import fingerprint_of, is_same, refuse_other, refuse_unless_grown
from par_model.inference.options import InferOptions
from par_model.inference.survey import digest_text

HEADER: Any = SimpleNamespace(sha256="0a", schema=SimpleNamespace(name="street"))
MANIFEST: Any = SimpleNamespace(content_fingerprint=lambda: "1b")


def asked(**given: Any) -> dict[str, Any]:
    return fingerprint_of(InferOptions("m", "w", "o", **given), HEADER, MANIFEST, 6)


def test_pools_and_timeouts_change_no_results_and_the_rest_does() -> None:
    assert is_same(asked(), asked(batch_size=3, max_failure_rate=1.0, compile=True))
    assert is_same(asked(decode_budget=0.3), asked(decode_budget=0.5))
    for other in ({"seed": 1}, {"sampling": "cheap"}, {"sort_by": ("a",)}, {"limit": 3}, {"zero_shot": True}):
        assert not is_same(asked(), asked(**other))
    assert not is_same(asked(sampling="cheap", decode_budget=0.3), asked(sampling="cheap", decode_budget=0.5))


def test_a_precision_that_is_to_be_chosen_fits_any() -> None:
    assert is_same(asked(precision="bf16"), asked(precision="auto"))
    assert not is_same(asked(precision="bf16"), asked(precision="fp32"))


def test_what_earlier_versions_recorded_nothing_of_is_what_they_did() -> None:
    recorded = {
        name: value for name, value in asked().items() if name not in ("embedding_type", "sort_by", "video_stream")
    }
    assert is_same(recorded, asked())
    assert not is_same(recorded, asked(embedding=True, embedding_type="fixed"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"manifest": "2c"}, "it differs in manifest: give another --output, or --add if the manifest only grew"),
        ({"manifest": "2c", "seed": 4}, "it differs in manifest, seed (4 there, 0 now): give another --output"),
        ({"seed": 4}, "it differs in seed (4 there, 0 now): give another --output"),
    ],
)
def test_another_job_is_refused_by_what_differs(changes: dict[str, Any], said: str) -> None:
    recorded = asked()
    names = sorted(changes, key=list(recorded).index)
    with pytest.raises(OutputError) as caught:
        refuse_other("out", recorded | {name: changes[name] for name in names}, asked())
    assert str(caught.value).endswith(said)


def test_a_manifest_that_grew_holds_every_old_tracklet_as_it_was() -> None:
    surveyed: Any = SimpleNamespace(left_out=3, digest_left_out=(1, 2))
    base = {"rows": 3, "digest": digest_text((1, 2))}
    refuse_unless_grown("out", base, surveyed)
    with pytest.raises(OutputError, match="the manifest lacks 1 of its 4 tracklets; give the old manifest with more"):
        refuse_unless_grown("out", base | {"rows": 4}, surveyed)
    with pytest.raises(OutputError, match="describes some of its tracklets otherwise than when they were recognised"):
        refuse_unless_grown("out", base | {"digest": digest_text((1, 3))}, surveyed)
