"""Random damage: to numbers, words, texts, bytes and JSON."""

import json
from collections.abc import Callable
from random import Random
from typing import Any

NUMBERS = (
    *("0", "-1", "1", "2", "3", "7", "1.5", "-0.0", "1e-320", "1e30", "1e100", "1e160", "-1e300"),
    *("1e308", "1e999", "-1e999", "nan", "inf", "-inf", "1000000", "1000000000", str(2**63)),
    *(str(2**31), str(-(2**63) - 1), "9" * 5000, "1_1", "0x10", "1,5", "1.000,5", "12 %", "٣"),
)
"""Numbers as somebody might write them."""
WORDS = (
    *(
        "",
        " ",
        "none",
        "NA",
        "TRUE",
        "log",
        "x",
        "lambda",
        "e",
        "I",
        "é",
        "📈",
        "𝑇",
        "\ufeff",
        "\t",
    ),
    *(
        "$$",
        r"$\unknown$",
        r"\x",
        "a_b__c",
        "humidity %",
        "#",
        "{ }",
        "~",
        "^",
        "&",
        '"',
        "'",
        "\\",
    ),
    *("../../etc/passwd", "/", ".", "~/x", "a/b", "CON", "a\nb", "a\rb", "a\0b", "\x1b[31m", "‮"),
    *("<script>alert(1)</script>", "{{ 7 * 7 }}", "[bold]", "%s", "{0}", "a" * 300, "a" * 100_000),
    *("__import__('os').mkdir('caught')", "x; import os", "exec('1')", "True", "None", "\ud800"),
)
"""Words that mean something to somebody."""

VALUES = (
    *(None, True, False, 0, -1, 1, 2, 3, 10**6, 10**9, 2**63, -(2**63) - 1, 10**400, 0.5, -0.0),
    *(1e-320, 1e30, 1e160, 1e308, float("nan"), float("inf"), [], {}, [[]], [None], {"": None}),
)


def number(draw: Random) -> str:
    """A number in words."""
    return draw.choice(NUMBERS)


def word(draw: Random) -> str:
    """A word; now and then two in one."""
    return "".join(draw.choices(WORDS[:-1], k=draw.choice((1, 1, 1, 2))))


def value(draw: Random) -> Any:
    """Any value of JSON; its lists and dictionaries are its own."""
    kinds: tuple[Callable[[], Any], ...] = (
        lambda: draw.choice(VALUES),
        lambda: draw.choice(VALUES),
        lambda: draw.choice(WORDS),
        lambda: draw.randint(-5, 20),
        lambda: [draw.choice(VALUES)] * draw.choice((1, 2, 1000)),
        lambda: draw.choice((nested(3), nested(50), DEEP)),
    )
    return _copied(draw.choice(kinds)())


def nested(depth: int) -> Any:
    """Lists in lists."""
    found: Any = 0
    for _ in range(depth):
        found = [found]
    return found


DEEP, DEPTH = "<deep>", 2000
"""Stands in a tree for lists so deep that Python itself would not write them."""


def dug(tree: Any) -> Any:
    """The tree with the lists that ``DEEP`` stands for."""
    if isinstance(tree, dict):
        return {key: dug(inner) for key, inner in tree.items()}
    if isinstance(tree, list):
        return [dug(inner) for inner in tree]
    return nested(DEPTH) if tree == DEEP else tree


def as_json(tree: Any) -> bytes:
    """The tree as JSON, with the lists that ``DEEP`` stands for."""
    return json.dumps(tree).replace(json.dumps(DEEP), "[" * DEPTH + "]" * DEPTH).encode()


def damaged_json(draw: Random, tree: Any) -> Any:
    """A tree of lists and dictionaries with one to three places changed; ``tree`` is not."""
    tree = _copied(tree)
    for _ in range(draw.choice((1, 1, 2, 3))):
        places = list(_places(tree))
        if not places:
            return value(draw)
        inside, key = draw.choice(places)
        _change(draw, inside, key, value)
    return tree


def damaged_tree(draw: Random, tree: Any, leaf: Callable[[Random, Any], Any]) -> Any:
    """Dictionaries and lists, copied, with one place changed; ``leaf`` changes a value."""
    tree = _copied(tree)
    inside, key = draw.choice(list(_places(tree)))
    before = inside[key]
    _change(draw, inside, key, lambda draw: leaf(draw, before))
    return tree


def _copied(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _copied(inner) for key, inner in tree.items()}
    return [_copied(inner) for inner in tree] if isinstance(tree, list) else tree


def _places(tree: Any) -> Any:
    """Every (dictionary or list, key or number) of a tree."""
    pairs = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, inner in list(pairs):
        yield tree, key
        if isinstance(inner, (dict, list)):
            yield from _places(inner)


def _change(draw: Random, inside: Any, key: Any, new: Callable[[Random], Any]) -> None:
    what = draw.choice(("new", "new", "new", "new", "remove", "add", "number"))
    if what == "number" and isinstance(inside[key], (int, float)):
        inside[key] = draw.choice((-1, 2, 0, 1000)) * inside[key] + draw.choice((0, 1, -1))
    elif what == "remove":
        del inside[key]
    elif what == "add" and isinstance(inside, dict):
        inside[draw.choice(WORDS)] = _copied(inside[key])
    elif what == "add":
        inside.insert(draw.randint(0, len(inside)), _copied(inside[key]))
    else:
        inside[key] = new(draw)


def written_json(draw: Random, tree: Any) -> bytes:
    """A damaged tree as JSON; now and then the text is damaged as well, or in another encoding."""
    data = as_json(damaged_json(draw, tree))
    how = draw.random()
    if how < 0.1:
        return damaged_bytes(draw, data)
    return in_some_encoding(draw, data.decode()) if how < 0.2 else data


def damaged_bytes(draw: Random, data: bytes) -> bytes:
    """Bytes with one to four places changed."""
    changed = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 4))):
        at = draw.randint(0, len(changed))
        end = at + draw.choice((1, 1, 4, 100))
        what = draw.choice(("cut", "turn", "remove", "repeat", "noise", "zero"))
        if what == "cut":
            del changed[at:]
        elif what == "turn" and at < len(changed):
            changed[at] ^= 1 << draw.randrange(8)
        elif what == "remove":
            del changed[at:end]
        elif what == "repeat":
            changed[at:at] = changed[at:end]
        elif what == "noise":
            changed[at:end] = draw.randbytes(end - at)
        elif what == "zero":
            changed[at:end] = bytes(end - at)
    return bytes(changed)


def in_some_encoding(draw: Random, text: str) -> bytes:
    """A text as other systems write it."""
    how = draw.choice(("utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1", "utf-16-le"))
    data = text.encode(how, errors="replace")
    return data.replace(b"\n", b"\r\n") if draw.random() < 0.2 else data
