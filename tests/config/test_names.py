from pathlib import Path

import pytest

from vae_lab.config.names import LARGEST, LONGEST, choices_first, fitting, run_name, short_name
from vae_lab.system.files import write_atomically

LONG = ("a" * 300, "é" * 300, "模" * 300, "𝛽" * 300, "a" + "é" * 200)


def test_a_short_name_is_kept():
    assert short_name("beta-4") == "beta-4"
    assert short_name("é" * 50) == "é" * 50  # exactly 100 bytes
    assert short_name("") == ""


@pytest.mark.parametrize("name", LONG)
def test_a_long_name_is_cut_by_bytes_between_two_characters(name):
    cut = short_name(name)
    start, _, digest = cut.rpartition("-")
    assert name.startswith(start)
    assert LONGEST - 4 < len(start.encode()) <= LONGEST
    assert len(digest) == 6


def test_names_with_the_same_beginning_stay_different():
    assert short_name("a" * 300) != short_name("a" * 301)
    assert short_name("x" * 300, source="one") != short_name("x" * 300, source="two")


@pytest.mark.parametrize("name", LONG)
def test_a_file_of_a_cut_name_can_be_written_atomically(name, tmp_path):
    path = fitting(tmp_path / name / name)
    path.parent.mkdir()
    with write_atomically(path) as file:
        file.write("content")
    assert path.read_text() == "content"


def test_only_the_parts_of_a_path_that_are_too_long_are_cut():
    assert fitting(Path("/a/b c/../d")) == Path("/a/b c/../d")
    assert fitting(Path("a") / ("b" * LARGEST)) == Path("a") / ("b" * LARGEST)
    assert fitting(Path("a") / ("b" * 256) / "c") == Path("a") / short_name("b" * 256) / "c"
    once = fitting(Path("a" * 300))
    assert fitting(once) == once


def test_the_choices_of_groups_stand_first_in_a_name_and_the_lists_of_metrics_last():
    words = ["epochs=2", "metrics=[fast,fid]", "model=dense", "objective.depth=4", "objective=factor_vae", "beta=2"]
    ordered = ["model=dense", "objective=factor_vae", "epochs=2", "beta=2", "metrics=[fast,fid]", "objective.depth=4"]
    assert choices_first(words) == ordered
    assert run_name(",".join(words)) == (
        "model-dense_objective-factor_vae_epochs-2_beta-2_metrics-fast_fid-_objective.depth-4"
    )
    assert run_name("posterior.blocks=8,posterior=iaf") == "posterior-iaf_posterior.blocks-8"


def test_the_word_that_matters_survives_the_cut_of_a_long_name():
    parts = ",".join(f"objective.{key}=5" for key in ("depth", "gamma", "leak", "lr", "width", "steps", "rate", "beta"))
    assert run_name(f"epochs=2,{parts},objective=factor_vae").startswith("objective-factor_vae_epochs-2_")
