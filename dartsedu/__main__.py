"""``python -m dartsedu`` is the command ``dartsedu``."""

from dartsedu.cli import main

main()
