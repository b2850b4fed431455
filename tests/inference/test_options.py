"""What ``infer`` can be asked for."""

from __future__ import annotations

from typing import Any

import pytest

from par_model.errors import UsageError
from par_model.inference.options import InferOptions
from par_model.video.options import DecodeOptions


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"embedding_type": "fixed"}, "--embedding-type fixed: there are no embeddings without --embedding"),
        ({"sampling": "cheap", "decode": DecodeOptions(decoder="decord")}, "--sampling cheap needs --decoder pyav"),
        ({"sampling": "last"}, "--sampling is last: must be one of uniform, first, random, all, cheap"),
        ({"frames": 0}, "--frames is 0: must be at least 1"),
        ({"decode_budget": 0.0}, "--decode-budget is 0.0: must be above 0 and at most 1"),
        ({"max_failure_rate": float("nan")}, "--max-failure-rate is nan: must be at least 0 and at most 1"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        InferOptions("m", "w", "o", **given)
    assert str(caught.value).startswith(said)


def test_embeddings_may_be_lists_or_vectors() -> None:
    assert InferOptions("m", "w", "o", embedding=True, embedding_type="fixed").embedding_type == "fixed"
