"""The command line, called in this process, and what a page that it wrote shows."""

import sys
from html.parser import HTMLParser

import pytest

from dartsedu.runs.cli import main


def dartsedu(*arguments, code=0):
    """Run the command in this process; check its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["dartsedu", *map(str, arguments)])
        with pytest.raises(SystemExit) as done:
            main()
    assert (done.value.code or 0) == code


class Page(HTMLParser):
    """What a page shows and asks for."""

    def __init__(self, text):
        super().__init__()
        self.images, self.addresses, self.words, self.open = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "img":
            self.images.append(attributes)
        self.addresses += [v for k, v in attributes.items() if k in ("src", "href")]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)
