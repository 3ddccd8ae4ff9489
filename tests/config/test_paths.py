from pathlib import Path

from vae_lab.config.paths import exists, expanded


def test_a_tilde_is_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert expanded("~/runs") == Path("/home/me/runs")
    assert expanded("runs") == Path("runs")


def test_a_tilde_without_a_user_is_part_of_the_name():
    assert expanded("~no-such-user/x") == Path("~no-such-user/x")


def test_a_folder_whose_name_begins_with_a_tilde_is_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("~").mkdir()
    assert expanded("~") == Path("~")


def test_names_that_no_file_can_have_do_not_exist():
    assert not exists("x" * 5000)
    assert not exists("a\0b")
