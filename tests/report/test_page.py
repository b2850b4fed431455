"""Whatever data hold, they stay data."""

from __future__ import annotations

import base64
import hashlib
import json
import re

from hypothesis import given
from hypothesis import strategies as st

from par_model.report.page import json_in_html, number, percent

TEXTS = st.text() | st.sampled_from(["</script><script>x</script>", "<!--<script>", "]]>", "\u2028\u2029", "&lt;"])


@given(st.dictionaries(TEXTS, TEXTS | st.integers() | st.none() | st.lists(TEXTS)))
def test_json_comes_back_and_holds_no_markup(value: dict[str, object]) -> None:
    text = str(json_in_html(value))
    assert json.loads(text) == value
    assert not set(text) & set("<>&\u2028\u2029\n\r")


def test_numbers_as_they_are_read() -> None:
    assert percent(0.1234) == "12.3\u202f%"
    assert percent(1.0, 0) == "100\u202f%"
    assert percent(None) == number(None) == "\u2013"
    assert number(1234567) == "1\u202f234\u202f567"
    assert number(12.345, 1) == "12.3"


def policy_hashes(page: str) -> tuple[set[str], set[str]]:
    """The hashes that a page's policy allows, and those of its scripts and styles."""
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert "unsafe" not in policy[1]
    allowed = set(re.findall(r"&#39;(sha256-[^&]+)&#39;", policy[1]))
    parts = re.findall(r"<script>(.*?)</script>|<style>(.*?)</style>", page, re.DOTALL)
    own = {base64.b64encode(hashlib.sha256((a or b).encode()).digest()).decode() for a, b in parts}
    return allowed, {f"sha256-{digest}" for digest in own}
