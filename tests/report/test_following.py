from io import StringIO

import pytest
from rich.console import Console

from vae_lab.report import following
from vae_lab.report.following import clock, tracker


@pytest.fixture
def seconds(monkeypatch) -> list[float]:
    """Let every look at the clock be four seconds after the one before."""
    passed = [0.0]

    def now() -> float:
        passed[0] += 4
        return passed[0]

    monkeypatch.setattr(following.time, "monotonic", now)
    return passed


def test_quick_steps_are_handed_on_without_a_line():
    console = Console(record=True, file=StringIO(), force_terminal=False)
    assert list(tracker(console)(range(5), "steps")) == [0, 1, 2, 3, 4]
    assert console.export_text() == ""


def test_a_log_has_a_line_now_and_then_with_the_time_left(seconds):
    console = Console(record=True, file=StringIO(), force_terminal=False, width=200)
    assert len(list(tracker(console)(range(20), "training [it]"))) == 20
    assert console.export_text().splitlines() == [
        "training [it]: 1 of 20, about 2 min 32 s left",  # after 8 s
        "training [it]: 9 of 20, about 49 s left",  # after 40 s
        "training [it]: 17 of 20, about 13 s left",
    ]


def test_steps_without_a_length_are_counted(seconds):
    console = Console(record=True, file=StringIO(), force_terminal=False, width=200)
    list(tracker(console)((x for x in range(3)), "reading"))
    assert console.export_text() == "reading: 1 done\n"


@pytest.mark.parametrize(("given", "text"), [(12.4, "12 s"), (200, "3 min 20 s"), (3900, "1 h 5 min")])
def test_durations_are_short(given, text):
    assert clock(given) == text
