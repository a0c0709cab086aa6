"""``python -m dartsedu`` is the command ``dartsedu``."""

from dartsedu.runs.cli import main

main()
