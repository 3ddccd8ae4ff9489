from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from helpers import labelled
from rich.console import Console

from vae_lab.examples import ImageBytes
from vae_lab.report.terminal import print_plan, print_scores
from vae_lab.scores import Scores


def printed(scores: Scores, title: str = "model=cnn", folder: str = "outputs/run", width: int = 160) -> list[str]:
    console = Console(width=width, record=True, file=StringIO())
    print_scores(console, scores, title, Path(folder))
    return console.export_text().splitlines()


def cells(lines: list[str], score: str) -> list[str]:
    """The cells of the row of a score; cells are separated by at least two spaces."""
    (row,) = [line for line in lines if line.split()[:1] == [score]]
    return [cell.strip() for cell in row.split("  ") if cell.strip()]


SCORES = {"test/fid": 12.3456, "test/fid_floor": 2.5, "test/elbo": -1234.56, "test/active_units": 7.0}


def test_every_score_has_one_row_and_floors_stand_in_their_column():
    lines = printed(Scores(SCORES))
    assert "floor: the score of real training images" in " ".join(lines)
    assert cells(lines, "fid") == ["fid", "12.35", "2.500"]
    assert cells(lines, "elbo") == ["elbo", "−1235"]
    assert cells(lines, "active_units") == ["active_units", "7"]
    assert not any(line.split()[:1] == ["fid_floor"] for line in lines)


def test_a_floor_without_its_score_keeps_a_row():
    lines = printed(Scores({"test/kid_floor": 0.5, "test/elbo": -3.0}))
    assert cells(lines, "kid_floor") == ["kid_floor", "0.5000"]
    assert "the score of real training images" not in " ".join(lines)


def test_floors_name_what_reaches_them():
    mmd = {"test/mmd": 0.5, "test/mmd_floor": 0.0}
    assert "floor: the score of draws from the prior" in printed(Scores(mmd))
    both = "floor: the score of real training images (mmd: of draws from the prior)"
    assert both in printed(Scores({**SCORES, **mmd}))


def test_the_part_of_a_floor_that_is_sampling_error_stands_beside_it():
    lines = printed(Scores({"test/fid": 9.0, "test/fid_floor": 1.7, "test/fid_split_floor": 0.9, "test/kid": 3.0}))
    assert "1.700 (0.900)" in next(line for line in lines if line.split()[:1] == ["fid"])
    assert "in brackets what sampling error alone gives" in " ".join(lines)
    assert not any("fid_split" in line for line in lines)


def test_the_floor_of_features_with_a_suffix_stands_beside_its_score():
    lines = printed(Scores({"test/fid_inception": 30.0, "test/fid_inception_floor": 4.0, "test/fid": 9.0}))
    assert cells(lines, "fid_inception") == ["fid_inception", "30", "4"]
    assert cells(lines, "fid") == ["fid", "9"]


@pytest.mark.parametrize("order", [1, -1])
def test_no_score_is_lost_in_any_order(order):
    values = {f"test/{name}": float(i) for i, name in enumerate(["a", "a_floor", "b_floor", "c", "_floor", "c_floor"])}
    lines = printed(Scores(dict(list(values.items())[::order])))
    shown = {line.split()[0] for line in lines if line.split()}
    assert {"a", "b_floor", "c", "_floor"} <= shown
    assert cells(lines, "a") == ["a", "0", "1"]
    assert cells(lines, "c") == ["c", "3", "5"]


def test_intervals_are_half_their_width():
    lines = printed(Scores(SCORES, intervals={"test/fid": (11.0, 13.5), "test/active_units": (7.0, 7.0)}))
    assert cells(lines, "fid") == ["fid", "12.3 ± 1.2", "2.500"]
    assert cells(lines, "elbo") == ["elbo", "−1235"]
    assert cells(lines, "active_units") == ["active_units", "7"]
    assert "95 %" in "".join(lines)
    assert "95 %" not in "".join(printed(Scores(SCORES)))


def test_meanings_stand_at_the_end_as_they_are_written():
    lines = printed(Scores(SCORES, meanings={"test/fid": "lower is better", "test/elbo": "nats [bold] in [0, 1]"}))
    assert cells(lines, "fid")[-1] == "lower is better"
    assert cells(lines, "elbo")[-1] == "nats [bold] in [0, 1]"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.000123456, "0.0001235"),
        (-0.5, "−0.5000"),
        (999.94, "999.9"),
        (1000.04, "1000"),
        (-54321.0, "−54321"),
        (0, "0"),
    ],
)
def test_numbers_keep_four_digits_or_no_decimals(value, shown):
    assert cells(printed(Scores({"test/x": value})), "x") == ["x", shown]


def protocol(features: str = "fake, 6-d", images: int = 10_000, sha: str = "0123456789abcdef") -> dict:
    return {"features": features, "images": images, "extractor_sha256": sha}


def test_scores_of_one_protocol_share_a_line():
    protocols = {"fid": protocol(), "kid": protocol(), "fid_inception": protocol("Inception", sha="f" * 64),
                 "prdc": protocol(images=500), "loss_terms": "all test images", "images": {"sha256": "x"}}  # fmt: skip
    lines = printed(Scores(SCORES, protocols))
    assert "fid, kid: 10,000 images, fake, 6-d, sha256 0123456789ab…" in lines
    assert "fid_inception: 10,000 images, Inception, sha256 ffffffffffff…" in lines
    assert "prdc: 500 images, fake, 6-d, sha256 0123456789ab…" in lines
    assert sum("sha256" in line for line in lines) == 3


def test_the_last_line_says_what_the_file_of_results_has_beyond_the_printed_lines():
    console = Console(width=160, record=True, file=StringIO())
    scores = Scores({"test/fid": 2.0}, meanings={"test/fid": "lower is better"})
    print_scores(
        console, scores, "model", Path("outputs/run"), earlier={"test/fid": 1.0, "test/kid": 0.0, "test/nll": 0.0}
    )
    last = console.export_text().splitlines()[-1]
    assert last == "Everything is in outputs/run; results.json has 2 other scores, meanings in full, protocols"


def test_scores_that_have_not_changed_are_counted_and_not_printed_again():
    console = Console(width=160, record=True, file=StringIO())
    values = {"test/fid": 2.5, "test/fid_floor": 1.5, "test/kid": 0.5, "test/kid_floor": 0.25, "test/nan": float("nan"),
              "test/elbo": -3.5, "test/new": 7.0}  # fmt: skip
    earlier = {**values, "test/elbo": -4.0, "test/kid_floor": 0.125, "test/other": 1.0}
    del earlier["test/new"]
    print_scores(console, Scores(values), "model", Path("outputs/run"), earlier=earlier)
    lines = console.export_text().splitlines()
    assert [line.split()[0] for line in lines if line.startswith("  ") and "value" not in line] == [
        "kid",
        "elbo",
        "new",
    ]
    assert "2 scores as before" in lines
    assert lines[-1] == "Everything is in outputs/run; results.json has 1 other score, protocols"


def test_a_whole_number_has_not_changed_whether_it_was_saved_as_an_integer_or_as_a_float():
    console = Console(width=160, record=True, file=StringIO())
    values = {"test/active_units": 0, "test/codes_used": 1.0, "test/kl": 2}
    earlier = {"test/active_units": 0.0, "test/codes_used": 1, "test/kl": 3.0}
    print_scores(console, Scores(values), "model", Path("outputs/run"), earlier=earlier)
    lines = console.export_text().splitlines()
    assert [line.split()[0] for line in lines if line.startswith("  ") and "value" not in line] == ["kl"]
    assert "2 scores as before" in lines


def test_without_scores_there_are_notes_and_the_folder_and_no_table():
    lines = printed(Scores({}, notes=["No FID: 3 images are too few [1].", "second"]))
    assert lines == ["No FID: 3 images are too few [1].", "second", "Everything is in outputs/run"]


@pytest.mark.parametrize("odd", ["[red]", "[/b]", "a[x]b", "[bold]run[/bold]"])
def test_brackets_in_titles_notes_and_folders_are_shown_as_they_are(odd):
    lines = printed(Scores(SCORES, {"fid": protocol(odd)}, notes=[f"note {odd}"]), f"title {odd}", f"outputs/{odd}")
    for expected in (f"title {odd}", f"note {odd}", f"outputs/{odd}", f"images, {odd}"):
        assert any(expected in line for line in lines), expected


def test_long_notes_and_folders_stay_on_one_line():
    lines = printed(Scores({}, notes=["word " * 50 + "end"]), folder="outputs/" + "x" * 200, width=60)
    assert len(lines) == 2


def test_the_plan_states_the_model_and_the_data_and_what_is_known_beforehand():
    parts = {"train": labelled(1200), "val": labelled(5), "test": labelled(7)}
    data = SimpleNamespace(x_shape=(3, 9, 11), values=ImageBytes(), **parts)
    console = Console(width=160, record=True, file=StringIO())
    print_plan(console, "net=[red]", data, {"parameters": 12345, "device": "cpu"}, ["3 files [were] left out."])
    assert console.export_text().splitlines() == [
        "net=[red]",
        "12,345 parameters on cpu; 1,200 training, 5 validation, 7 test images of 3×9×11",
        "3 files [were] left out.",
    ]
