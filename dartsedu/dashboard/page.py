"""The view as one HTML file: no network, no kernel."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2

from dartsedu.base.values import write_text
from dartsedu.dashboard.history import Snapshot
from dartsedu.show.script import script

_FOLDER = Path(__file__).parent


def write_page(
    path: str | Path, title: str, spec: dict[str, Any], snapshots: Sequence[Snapshot]
) -> Path:
    """Write the page of a replay, atomically. There is one snapshot a run."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER), autoescape=True, undefined=jinja2.StrictUndefined
    )
    state = {
        "spec": spec,
        "snapshots": [base64.b64encode(kept.rows).decode() for kept in snapshots],
        "texts": [kept.texts for kept in snapshots],
    }
    # Inside a script element only "</script" and "<!--" could end or change it.
    data = json.dumps(state, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
    page = environment.get_template("page.html.jinja").render(
        title=title,
        data=data,
        script=script(_FOLDER / "dashboard.js"),
        style=(_FOLDER / "dashboard.css").read_text(encoding="utf-8"),
    )
    write_text(path, page)
    return Path(path)
