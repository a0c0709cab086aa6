"""What a full disk and too small a memory mean for a run, in words."""

from __future__ import annotations

import errno
import re


def advice_on_disk(error: OSError) -> str:
    """How to go on, if the disk is full; else nothing."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return ""
    return ". A run goes on with 'dartsedu resume RUN'"


_OUT_OF_SHARED_MEMORY = re.compile("shared memory|torch_\\d+_|shm|Bus error")
_OUT_OF_MEMORY = re.compile("can't allocate memory|out of memory|not enough memory")


def lack_of_memory(error: Exception) -> str:
    """What a lack of memory means, which comes as a plain ``RuntimeError``; others go on."""
    text = str(error)
    if _OUT_OF_SHARED_MEMORY.search(text):
        return (
            "the shared memory, through which workers hand over images, is too small; read them "
            f"without workers: --set task.workers=0, in a new folder ({text.splitlines()[0]:.100})"
        )
    if isinstance(error, MemoryError) or _OUT_OF_MEMORY.search(text):
        return (
            "the memory is too small for this run. What is on disk is intact; a smaller "
            "batch_size, or fewer channels, hidden, nodes or restarts, need less "
            f"({(text.splitlines() or ['MemoryError'])[0]:.100})"
        )
    raise error
