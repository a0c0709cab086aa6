"""Runs the front end's own tests (``*/*.test.js``) with the Node that pip has installed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def test_front_end():
    programs = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    npm = shutil.which("npm", path=programs)
    assert npm, "no npm beside this Python: pip install 'dartsedu[test]'"
    installed, lock = FOLDER / "node_modules/.package-lock.json", FOLDER / "package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        subprocess.run([npm, "ci"], cwd=FOLDER, env=environment, check=True)
    done = subprocess.run(
        [npm, "test"], cwd=FOLDER, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
