"""The live view: a search in a background thread, watched and steered in the browser."""

from dartsedu.dashboard.replayed import Replay, compare, replay
from dartsedu.dashboard.run import LiveRun
from dartsedu.dashboard.watched import live

__all__ = ["LiveRun", "Replay", "compare", "live", "replay"]
