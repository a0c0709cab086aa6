"""Every cell of a small space, trained: tables to judge a search by."""

from dartsedu.truth.cells import TruthError
from dartsedu.truth.table import Standing, Truth, load_truth, truth_of, truths

__all__ = ["Standing", "Truth", "TruthError", "load_truth", "truth_of", "truths"]
