"""Folders of image files: what counts as an image, whether it is whole, how it is read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
"""Endings of the names of images, as torchvision knows them."""
CHECKED = 20_000
"""So many files of a folder are looked into before a run; of more, evenly spaced ones."""


class ImageError(ValueError):
    """Images cannot be had or read; the message names the file and says what to do."""


class ImageFiles(NamedTuple):
    """The images of a folder whose folders are classes, in order."""

    classes: tuple[str, ...]
    files: list[str]
    targets: list[int]


def find_images(folder: Path) -> ImageFiles:
    """The classes of a folder, and the images in each and below it.

    What a system or a program keeps for itself is none of it: folders and files whose names begin
    with a dot (``.ipynb_checkpoints``, ``._0.jpg``) or two underscores (``__MACOSX``), and files
    that do not end as an image does.

    Raises ``ImageError`` for a class without images.
    """
    classes = sorted(e.name for e in os.scandir(folder) if e.is_dir() and not _is_hidden(e.name))
    if not classes:
        raise ImageError(f"{folder} has no folders; expected one for each class of images")
    files: list[str] = []
    targets: list[int] = []
    for number, name in enumerate(classes):
        own = list(_images(folder / name))
        if not own:
            raise ImageError(
                f"the class {folder / name} has no images; expected files that end in "
                f"{', '.join(EXTENSIONS)}: put them there, or remove the folder"
            )
        files += own
        targets += [number] * len(own)
    return ImageFiles(tuple(classes), files, targets)


def _images(folder: Path) -> Iterator[str]:
    for place, _, names in sorted(os.walk(folder, followlinks=True)):
        if not any(map(_is_hidden, Path(place).relative_to(folder).parts)):
            for name in sorted(names):
                if name.lower().endswith(EXTENSIONS) and not _is_hidden(name):
                    yield str(Path(place, name))


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "__"))


def evenly(files: Sequence[str]) -> Sequence[str]:
    """All files, or ``CHECKED`` of them at most at equal distances."""
    return files[:: -(-len(files) // CHECKED)] if files else files


# ---- Reading ------------------------------------------------------------------------------------


def read_image(file: str) -> Any:
    """A PIL image in RGB, 8 bits a channel.

    Grey values of 16 bits are divided by 257, so that 65535 is white; those in floating point go
    from 0 to 1. Transparency is left out, and the colours below it stay.

    Raises ``ImageError`` for a file that is no whole image, and for grey values out of range.
    """
    from PIL import Image

    try:
        with Path(file).open("rb") as stream, Image.open(stream) as image:
            if image.mode.startswith(("I", "F")):
                return _of_deep_greys(image).convert("RGB")
            if image.mode in ("P", "PA") and "transparency" in image.info:
                return image.convert("RGBA").convert("RGB")
            return image.convert("RGB")
    except Exception as error:  # Decoders raise whatever a damaged file leads them to.
        raise _unreadable(file, error) from None


def _of_deep_greys(image: Any) -> Any:
    """A grey image of more than 8 bits, in mode L."""
    import numpy as np
    from PIL import Image

    values = np.asarray(image)
    white = 1.0 if image.mode == "F" else 65535
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= white):
        raise ValueError(
            f"its grey values go from {low:g} to {high:g}, expected 0 to {white:g} (mode "
            f"{image.mode})"
        )
    return Image.fromarray(np.rint(values * (255 / white)).astype(np.uint8))


def _unreadable(file: str, error: Exception) -> ImageError:
    shown = os.fsencode(file).decode(errors="backslashreplace")
    said = str(error).replace(file, "the file").split("\n")[0].strip(" .") or type(error).__name__
    return ImageError(
        f"cannot read the image {shown}: {said:.200}. Replace it by a whole one of a usual size, "
        "or remove it before the run begins"
    )


# ---- Before a run -------------------------------------------------------------------------------


def check_images(files: Sequence[str]) -> None:
    """Look into files before they are needed, 20,000 of them at most: some 0.2 ms each.

    Each has a head that says format and size, and the end that its format asks for; only what has
    not, or has deep greys, is decoded to see. So what is cut or no image at all is found here;
    what is damaged inside is found when it is read.

    Raises ``ImageError`` for the first that cannot be read.
    """
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
        for error in threads.map(_fault, evenly(files)):
            if error is not None:
                threads.shutdown(cancel_futures=True)
                raise error


_ENDS = {"JPEG": b"\xff\xd9", "PNG": b"IEND\xaeB`\x82"}
"""The last bytes of a whole file."""


def _fault(file: str) -> ImageError | None:
    from PIL import Image

    try:
        with Path(file).open("rb") as stream, Image.open(stream) as image:
            end = _ENDS.get(image.format or "")
            sound = end is not None and not image.mode.startswith(("I", "F"))
            if sound:
                stream.seek(-len(end or b""), os.SEEK_END)
                sound = stream.read() == end
        if not sound:
            read_image(file)
    except ImageError as error:
        return error
    except Exception as error:
        return _unreadable(file, error)
    return None
