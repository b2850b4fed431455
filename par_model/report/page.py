"""The page: a template that escapes everything, and data that no parser can take for markup.

What comes from data reaches the page in two ways: through the template, which escapes it, or as JSON in which ``<``,
``>`` and ``&`` are written as escapes, and which the script shows as text. The page's Content-Security-Policy
allows the scripts and the style that are in it, by their hashes, pictures in data: URIs, and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import json
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup

from par_model.overwriting import refuse_other_kind

_DASH = "\u2013"
_ESCAPES = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}


def json_in_html(value: Any) -> Markup:
    """JSON that may stand in a script element whatever its texts hold: no ``<``, and ASCII alone."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return Markup(text.translate(_ESCAPES))


def render(context: dict[str, Any]) -> str:
    """The whole page of a run. ``context``: what page.html.jinja names."""
    script, charts = (_file(name) for name in ("page.js", "vendor/chart.umd.min.js"))
    scripts = {"script": Markup(script), "charts": Markup(charts)}
    return _render("page.html.jinja", context, style=_file("page.css"), scripts=scripts)


def render_look(context: dict[str, Any]) -> str:
    """The page of drawn tracks, which has no script. ``context``: what look.html.jinja names."""
    return _render("look.html.jinja", context, style=_file("page.css") + _file("look.css"), scripts={})


def render_audit(context: dict[str, Any]) -> str:
    """The page of labels that a model disputes, which has no script. ``context``: what audit.html.jinja names."""
    return _render("audit.html.jinja", context, style=_file("page.css") + _file("audit.css"), scripts={})


def render_label(context: dict[str, Any]) -> str:
    """The page on which people answer. ``context``: what label.html.jinja names."""
    scripts = {"answers": Markup(_file("label_answers.js")), "script": Markup(_file("label.js"))}
    return _render("label.html.jinja", context, style=_file("page.css") + _file("label.css"), scripts=scripts)


def refuse_no_page(uri: str, given: str, option: str = "--output") -> None:
    """Raises UsageError where something is at ``uri`` that is no page, which would be lost. given: how the user spelt
    it, as the value of ``option``."""
    refuse_other_kind(uri, f"{option} {given}", "HTML page", _is_page)


def _is_page(start: bytes) -> bool:
    return start.lstrip().lower().startswith(b"<!doctype html")


def _render(template: str, context: dict[str, Any], *, style: str, scripts: dict[str, Markup]) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("par_model.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"json": json_in_html, "percent": percent, "number": number}
    allowed = " ".join(map(_hash, scripts.values())) or "'none'"
    policy = [
        "default-src 'none'",
        f"script-src {allowed}",
        f"style-src {_hash(style)}",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    parts = {"style": Markup(style), "policy": "; ".join(policy), **scripts}
    return environment.get_template(template).render(context | parts)


def percent(share: float | None, digits: int = 1) -> str:
    """0.1234 as ``12.3 %``, nothing as a dash."""
    return _DASH if share is None else f"{100 * share:.{digits}f}\u202f%"


def number(value: float | None, digits: int = 0) -> str:
    """With thousands set apart; nothing as a dash."""
    return _DASH if value is None else f"{value:,.{digits}f}".replace(",", "\u202f")


def _file(name: str) -> str:
    return resources.files("par_model.report").joinpath(name).read_text(encoding="utf-8").strip()


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
