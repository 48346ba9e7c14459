"""Page: figures as one HTML file that needs nothing but a browser: style, script and charts are in it, and it may load nothing."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

_CLOSED = "base-uri 'none'; form-action 'none'"
_PAGES = Path(__file__).parent / "pages"


def _read(name: str) -> str:
    return (_PAGES / name).read_text("utf-8")


def _hash(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def html(now: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> str:
    """The page of some figures, beside those of earlier runs where they are given.

    Charts are drawn by Chart.js, which is copied into the page (see NOTICE).
    """
    style, script, chart = _read("report.css"), _read("report.js"), _read("chart.umd.min.js")
    policy = f"default-src 'none'; script-src {_hash(script)} {_hash(chart)}; style-src {_hash(style)}; img-src data:; {_CLOSED}"
    # Nothing in the data can end the element that it is in.
    figures = json.dumps({"now": now, "before": before}, separators=(",", ":")).replace("<", "\\u003c")
    title = "What was compared" if before else "What was found"
    filled = {"policy": escape(policy), "title": title, "style": style, "figures": figures, "chart": chart, "script": script}
    first, *rest = _read("report.html").split("{{")
    pieces = [first]
    for piece in rest:  # in one pass, so that nothing that is filled in is taken for a place to fill in
        name, _, after = piece.partition("}}")
        pieces += (filled[name], after)
    return "".join(pieces)
