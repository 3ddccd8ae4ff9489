"""Tests of the time left, estimated from jobs and parts of jobs."""

from io import StringIO

from rich.console import Console

from vae_lab.report.following import clock
from vae_lab.sweep import board
from vae_lab.sweep.board import Board
from vae_lab.sweep.jobs import Outcome, SweepJob


def rows_of_epochs(count):
    return "".join(["epoch,step\n", *(f"{epoch},{epoch}\n" for epoch in range(count))])


def jobs(tmp_path, rows):
    for name, count in rows.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "metrics.csv").write_text(rows_of_epochs(count))
    return [SweepJob(name, tmp_path / name, [name], {"epochs": 10}, "sweep", "") for name in rows]


def test_time_left_counts_jobs_that_were_begun_before_as_parts(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(board.time, "monotonic", lambda: now[0])
    begun, *others = jobs(tmp_path, {"begun": 9, "a": 0, "b": 0})
    shown = Board(Console(file=StringIO()), 3)
    shown.expect([begun, *others])
    assert shown.time_left() == ""
    now[0] = 4.0
    shown.ended(begun, Outcome("begun", "finished"))
    # 0.3 + 0.7 · (1 − 0.95 · 0.9) of a job took 4 s; two whole ones are left
    assert shown.time_left() == f"about {clock(4 * 2 / (0.3 + 0.7 * (1 - 0.95 * 0.9)))} left"
    now[0] = 14.0
    shown.ended(others[0], Outcome("a", "failed", "NaN"))
    assert "2/3 failed a: NaN (14 s since the start; about 10 s left)" in shown.console.file.getvalue()
