"""What the notebooks need and do not show, each lesson in two files.

``<lesson>.py`` holds its pictures, explorers and experiments, ``<lesson>_checks.py`` the checks of
its exercises. What they are made of is in ``panel``, ``explorer`` and ``check``.
"""
