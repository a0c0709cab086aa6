"""The live view: a search in a background thread, watched and steered in the browser."""

from dartsedu.dashboard.replayed import Replay, compare, replay
from dartsedu.dashboard.run import LiveRun, live

__all__ = ["LiveRun", "Replay", "compare", "live", "replay"]
