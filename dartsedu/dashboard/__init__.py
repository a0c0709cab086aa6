"""The live view: a search in a background thread, watched and steered in the browser."""

from dartsedu.dashboard.run import LiveRun, Replay, compare, live, replay

__all__ = ["LiveRun", "Replay", "compare", "live", "replay"]
