"""Every relative link of the documents and the notebooks leads to a file and, in it, to a place."""

import json
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    page
    for folder in (".", "docs", "data", "notebooks", "benchmarks")
    for form in ("*.md", "*.ipynb")
    for page in (ROOT / folder).glob(form)
)
FENCE = re.compile(r"^(```|~~~).*?^\1", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^#+ +(.*?)[ #]*$", re.MULTILINE)
LINK = re.compile(
    r"""\]\(([^)\s]+)[^)]*\)|^\[[^]]+\]: *(\S+)|\b(?:href|src)="([^"]+)\"""", re.MULTILINE
)


@cache
def text(page):
    """The words of a page, without blocks of code; of a notebook its markdown cells."""
    if page.suffix == ".ipynb":
        cells = json.loads(page.read_text(encoding="utf-8"))["cells"]
        sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    else:
        sources = [page.read_text(encoding="utf-8")]
    return "\n\n".join(FENCE.sub("", source) for source in sources)


@cache
def anchors(page):
    """What may stand behind # in a link to a file, as GitHub has it."""
    if page.suffix not in (".md", ".ipynb"):
        count = len(page.read_text(encoding="utf-8").splitlines())
        return {f"L{number}" for number in range(1, count + 1)}
    found = set()
    for heading in HEADING.findall(text(page)):
        words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", words).strip().replace(" ", "-")
        found.add(next(s for s in (slug, *(f"{slug}-{i}" for i in range(1, 99))) if s not in found))
    return found


def dead(page):
    """The links of a page that lead nowhere."""
    for target in filter(None, (part for link in LINK.findall(text(page)) for part in link)):
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            yield target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    assert list(dead(page)) == []


def test_what_leads_nowhere_is_found(tmp_path):
    (tmp_path / "code.py").write_text("one\ntwo\n")
    page = tmp_path / "page.md"
    page.write_text(
        "# A `word`: [α](code.py)\n## Twice\n## Twice\n"
        "[a](#a-word-α) [b](#twice-1) [c](code.py#L2) ![d](page.md#twice) [e](https://x.org/#y)\n"
        '[f](#gone) [g](gone.md) [h](code.py#L3) <img src="gone.png"> [i](#twice-2 "title")\n'
        "```\n[j](gone.md)\n# Code\n```\n[k](#code)\n\n[l]: gone\n"
    )
    gone = ["#gone", "gone.md", "code.py#L3", "gone.png", "#twice-2", "#code", "gone"]
    assert list(dead(page)) == gone
