"""Tests of commands that work through the finished runs of a sweep."""

import pytest
from rich.console import Console

from vae_lab.commands import evaluate_jobs
from vae_lab.errors import RunFailed


def test_an_error_is_explained_for_the_command_that_was_typed(tmp_path, monkeypatch):
    """The command of the sweep, which is stored beside its jobs, is another one."""
    (tmp_path / "sweep.json").write_text('{"command": "vae-lab train -m beta=1", "fixed": [], "varied": {}}')
    (tmp_path / "job").mkdir()
    for name, content in (("config.yaml", "{}"), ("results.json", '{"status": "finished"}')):
        (tmp_path / "job" / name).write_text(content)
    asked = []
    monkeypatch.setattr(evaluate_jobs, "explain", lambda error, command: (2, asked.append(command) or str(error)))

    def fail(run):
        raise ValueError("no")

    with pytest.raises(RunFailed, match=r"1 of 1 runs could not be drawn \(job: no\)"):
        evaluate_jobs.evaluate_jobs(tmp_path, Console(quiet=True), fail, "figures", "drawn")
    assert asked == ["figures"]
