from pathlib import Path

import pytest

from vae_lab.data.cache import cache_dir, data_root


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("VAE_LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("VAE_LAB_DATA", raising=False)


def test_the_cache_is_at_the_place_in_the_environment_and_exists(tmp_path):
    assert cache_dir("images") == tmp_path / "cache" / "images"
    assert cache_dir("images").is_dir()


def test_the_cache_is_in_the_home_folder_otherwise(tmp_path, monkeypatch):
    monkeypatch.delenv("VAE_LAB_CACHE")
    monkeypatch.setattr("vae_lab.data.cache.user_cache_path", lambda name: tmp_path / "home" / name)
    assert cache_dir("images") == tmp_path / "home" / "vae-lab" / "images"


def test_data_dir_comes_before_the_environment_and_that_before_the_cache(tmp_path, monkeypatch):
    assert data_root(None) == tmp_path / "cache" / "data"
    monkeypatch.setenv("VAE_LAB_DATA", str(tmp_path / "mine"))
    assert data_root(None) == tmp_path / "mine"
    assert data_root(str(tmp_path / "typed")) == tmp_path / "typed"


def test_a_relative_data_dir_is_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert data_root("here") == tmp_path / "here"
    assert data_root("~/there") == Path.home() / "there"


def test_a_data_dir_is_not_created(tmp_path):
    data_root(str(tmp_path / "typed"))
    assert not (tmp_path / "typed").exists()
