"""Makes ``dartsedu/data/pydoc.txt.gz``, the text ``pydoc``, of the Python that runs this.

    python benchmarks/pydoc_corpus.py

The shipped file was made with CPython 3.11.7. Another version's text differs a little, and with it
every figure that was measured on the text: make it anew only together with those.
"""

from __future__ import annotations

import gzip
import re

from dartsedu.data.text import END, PYDOC


def paragraphs() -> list[list[str]]:
    """The reference texts behind Python's ``help()`` as words, no paragraph twice."""
    from pydoc_data.topics import topics

    found: dict[tuple[str, ...], None] = {}
    for name in sorted(topics):
        for paragraph in re.split(r"\n\s*\n", topics[name].lower()):
            words = tuple(m[0] for m in re.finditer(r"[a-z]+|\d+|([^\w\s]|_)\1*", paragraph))
            if words:
                found.setdefault(words)
    return [[*words, END] for words in found]


if __name__ == "__main__":
    text = "".join(" ".join(words[:-1]) + "\n" for words in paragraphs())
    PYDOC.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
