import math

import pytest
from pydantic import ValidationError

from dartsedu.methods.schedule import Progress, Schedule


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Schedule(start=3), {0: 3, 99: 3}),
        # β-DARTS: 50·t/100.
        (Schedule(shape="linear", start=0, end=50), {0: 0, 1: 0.5, 99: 49.5}),
        # GDAS: 10 − 9.9·t/(T − 1), and the last epoch has 0.1.
        (Schedule(shape="linear", start=10, end=0.1, closed=True), {0: 10, 33: 6.7, 99: 0.1}),
        # SNAS: over 150 epochs, whatever the run's number.
        (Schedule(shape="linear", start=1, end=0.01, over=150, closed=True), {0: 1, 149: 0.01}),
        (Schedule(shape="cosine", start=1, end=0), {0: 1, 25: 0.5 + 0.5 * math.sqrt(0.5), 50: 0.5}),
        # FBNet: 5·exp(−0.045 t).
        (
            Schedule(shape="exponential", start=5, end=5 * math.exp(-0.045 * 90), over=90),
            {0: 5, 1: 5 * math.exp(-0.045), 90: 5 * math.exp(-4.05), 99: 5 * math.exp(-4.05)},
        ),
        (Schedule(shape="from-epoch", start=1, end=2, begin=10), {0: 1, 9: 1, 10: 2, 99: 2}),
        (Schedule(shape="linear", start=4, end=0, begin=20, over=40), {19: 4, 40: 2, 60: 0, 99: 0}),
    ],
)
def test_schedules_by_hand(schedule, expected):
    assert {t: schedule(Progress(t, 100)) for t in expected} == pytest.approx(expected)


def test_a_run_of_one_epoch_has_the_start():
    for closed in (False, True):
        assert Schedule(shape="linear", start=2, end=1, closed=closed)(Progress(0, 1)) == 2


def test_an_exponential_needs_numbers_above_zero():
    with pytest.raises(ValidationError, match=r"goes from 1 to 0; expected both above 0"):
        Schedule(shape="exponential", start=1, end=0)
