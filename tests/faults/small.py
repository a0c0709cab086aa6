"""The campaign at its small size, in a process of its own: it forks, and a test's has threads."""

import re
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def lines(*kinds: str) -> dict[str, str]:
    """The line of each kind."""
    options = [part for name in kinds for part in ("--kind", name)]
    done = subprocess.run(
        [sys.executable, "tests/faults", "--small", *options],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    found = dict(re.findall(r"^([\w-]+): (.*)$", done.stdout, re.MULTILINE))
    assert set(found) == set(kinds), done.stdout + done.stderr
    return found
