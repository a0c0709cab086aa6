"""Bytes of a text file as text, whatever an editor or a spreadsheet put at its beginning."""

from __future__ import annotations

import codecs

MARKS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # Begins as the mark of UTF-16 does: asked for first.
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks, and the codecs that read and drop them."""


def decoded(raw: bytes) -> str:
    """Text in UTF-8, or in what its byte order mark says; no mark is a part of it, nor one in the
    middle, where files were joined.

    Raises ``ValueError`` for anything else: it says where, and what to do.
    """
    codec = next((codec for mark, codec in MARKS if raw.startswith(mark)), "utf-8")
    try:
        text = raw.decode(codec)
    except UnicodeDecodeError as error:
        if not codec.startswith("utf-8"):
            where = f"its first bytes announce {codec.upper()}, in which it does not go on"
        else:
            line = error.object.count(b"\n", 0, error.start) + 1
            where = f"line {line} holds the byte {error.object[error.start]:#04x}"
        raise ValueError(f"not text in UTF-8: {where}; save it as UTF-8") from None
    if "\0" in text:
        raise ValueError("not text in UTF-8: it holds zero bytes; save it as UTF-8")
    return text.replace("\ufeff", "")
