"""Lesson 00: the shipped recording, what this machine can do."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path

import torch

RECORDING = Path(__file__).parent / "recordings" / "digits.jsonl"
"""A search on digits: ``dartsedu search --preset classroom --seed 0``."""


def this_machine() -> str:
    """What the lessons will run on, in a line for each thing."""
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none; a CPU is enough"
    return "\n".join(
        [
            f"Python {platform.python_version()}, dartsedu {version('dartsedu')}",
            f"PyTorch {torch.__version__}",
            f"GPU: {gpu}",
        ]
    )
