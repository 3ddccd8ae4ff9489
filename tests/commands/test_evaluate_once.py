"""Tests that ``vae-lab evaluate`` reads a run folder once, while it holds its lock."""

from vae_lab.runs import run_folder


def test_evaluate_reads_the_folder_once(cli, run_copy, monkeypatch):
    read, load = [], run_folder.load_run
    monkeypatch.setattr(run_folder, "load_run", lambda *args, **more: (read.append(args), load(*args, **more))[1])
    ended = cli("evaluate", f"run={run_copy}", "metrics=loss_terms", "figures=none")
    assert ended.status == 0, ended.err
    assert len(read) == 1
