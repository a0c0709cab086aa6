"""What a process gave back it has at once when it asks again."""

import os
import platform
import subprocess
import sys

import pytest

from dartsedu.base import memory

# glibc moves its limits by what it has seen; set, they stay, and what it does is sure.
LIMITS = {"MALLOC_TRIM_THRESHOLD_": "131072", "MALLOC_MMAP_THRESHOLD_": "131072"}
FAULTS = """
import resource, torch
from dartsedu.base.memory import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    blocks = [torch.zeros(2**20) for _ in range(20)]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

{call}
print([faults() for _ in range(5)][-1])
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is asked")
@pytest.mark.parametrize(("call", "cleared"), [("keep_freed_memory()", False), ("", True)])
def test_memory_given_back_is_not_cleared_by_the_system_again(call, cleared):
    """Of 80 MB, which are twenty thousand pages."""
    command = [sys.executable, "-c", FAULTS.format(call=call)]
    environment = os.environ | LIMITS
    found = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    assert (int(found.stdout) > 10_000) == cleared


def test_elsewhere_nothing_is_done(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(memory.ctypes, "CDLL", None)
    memory.keep_freed_memory()
