"""Tests of ``vae-lab figures``, and of the style of figures in the other commands."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from conftest import BARE, TINY
from PIL import Image

from vae_lab.data.dataset import Dataset
from vae_lab.evaluation import drawing

OLD = Path(__file__).parents[1] / "old_runs"


def contents(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (run / "figures").iterdir()}


def every_file(run: Path) -> dict[str, bytes]:
    files = (path for path in run.rglob("*") if path.is_file() and path.parent.name != "figures")
    return {str(path): path.read_bytes() for path in files}


def test_the_figures_of_training_are_drawn_again_as_they_were(cli, run_copy):
    before, others = contents(run_copy), every_file(run_copy)
    assert {"samples.png", "latent_space.png", "curves.png"} <= before.keys()
    ended = cli("figures", "run=run")
    assert ended.status == 0, ended.err
    assert contents(run_copy) == before
    assert every_file(run_copy) == others
    assert "No figures novelty, nll_bounds, denoising, ood_roc, typical, noise_to_digit: they show " in ended.out


def test_other_figures_stay_and_another_format_stands_beside_the_first(cli, run_copy):
    before = contents(run_copy)
    ended = cli("figures", "run=run", "figures=[samples,curves]", "figures.style.format=[pdf,svg]")
    assert ended.status == 0, ended.err
    after = contents(run_copy)
    assert after.keys() - before.keys() == {"samples.pdf", "samples.svg", "curves.pdf", "curves.svg"}
    assert {name: after[name] for name in before} == before
    assert "Drawn in run/figures: samples.pdf, samples.svg, curves.pdf, curves.svg" in ended.out


def test_size_resolution_and_title_are_chosen(cli, run_copy):
    words = ["figures.style.width=3", "figures.style.dpi=100", "figures.style.title=false", "figures.style.font_size=7"]
    assert cli("figures", "run=run", "figures=samples", *words).status == 0
    with Image.open(run_copy / "figures" / "samples.png") as picture:
        assert picture.width == 300
        assert picture.height < 275  # ten rows of twelve square images, and no title


def test_a_figure_keeps_the_settings_of_the_run_unless_others_are_typed(cli, run_copy):
    config = yaml.safe_load((run_copy / "config.yaml").read_text())
    config["figures"]["samples"] |= {"columns": 3, "rows": 2}
    (run_copy / "config.yaml").write_text(yaml.safe_dump(config))
    titles = []

    def remember(figure, *rest):
        titles.append(figure.get_suptitle().split(":")[0])
        return []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "save_figure", remember)
        cli("figures", "run=run", "figures=samples")
        cli("figures", "run=run", "figures=samples", "figures.samples.rows=5")
    assert titles == ["6 samples", "15 samples"]


def test_no_example_is_read_that_the_figures_do_not_show(cli, run_copy, monkeypatch):
    def refuse(*_):
        raise AssertionError("the dataset was read")

    monkeypatch.setattr(Dataset, "setup", refuse, raising=False)
    monkeypatch.setattr("vae_lab.runs.run.make_data", refuse)
    ended = cli("figures", "run=run", "figures=[samples,curves,kl_per_dimension,label_shares]")
    assert ended.status == 0, ended.err


@pytest.fixture
def fitted(tmp_path, cli) -> Path:
    """A conditional run with a sampler."""
    words = [word for word in (*TINY, *BARE) if not word.startswith(("metrics", "figures"))]
    more = ["conditional=true", "latent_dim=2", "model=dense", "metrics=label_distribution", "sampler=gmm",
            "sampler.components=2", "figures=[samples,class_samples,label_shares]", "hydra.run.dir=run"]  # fmt: skip
    assert cli("train", *words, *more).status == 0
    return tmp_path / "run"


def test_a_conditional_run_and_its_sampler_are_drawn_with_the_same_draws(cli, fitted):
    before = contents(fitted)
    assert {"samples_gmm.png", "class_samples.png", "label_shares_gmm.png"} <= before.keys()
    for name in before:
        (fitted / "figures" / name).unlink()
    ended = cli("figures", "run=run", "figures=[samples,class_samples,label_shares]")
    assert ended.status == 0, ended.err
    assert contents(fitted) == before


def test_a_lost_sampler_is_named_and_not_fitted_again(cli, fitted):
    shutil.rmtree(fitted / "samplers")
    ended = cli("figures", "run=run", "figures=samples")
    assert ended.status == 0, ended.err
    assert "No figures of sampler=gmm: its file in run/samplers is missing" in ended.out
    assert "type vae-lab evaluate run=run sampler=gmm" in ended.out
    assert not (fitted / "samplers").exists()


def test_a_run_of_an_earlier_version_is_drawn(cli, tmp_path):
    run = Path(shutil.copytree(OLD / "finished", tmp_path / "old"))
    ended = cli("figures", "run=old", "figures=[samples,class_samples,curves]", "figures.style.format=pdf")
    assert ended.status == 0, ended.err
    assert {"samples.pdf", "class_samples.pdf", "curves.pdf"} <= contents(run).keys()


def test_the_runs_of_a_sweep_are_drawn_one_by_one(cli, tmp_path):
    Path(shutil.copytree(OLD / "sweep", tmp_path / "sweep"))
    ended = cli("figures", "run=sweep", "figures=curves", "figures.style.format=svg")
    assert ended.status == 0, ended.err
    assert {path.parent.parent.name for path in tmp_path.glob("sweep/*/figures/curves.svg")} == {"beta-1", "beta-2"}
    assert "Drawn 2 of 2 runs" in ended.out


def test_what_cannot_be_drawn_is_said_in_one_line(cli, run_copy):
    ended = cli("figures", "run=run", "figures=[nll_bounds,noise_to_digit]")
    assert ended.status == 2
    assert "nothing can be drawn. No figures nll_bounds, noise_to_digit: they show " in ended.err
    assert "type vae-lab evaluate run=run 'metrics=[nll,ood]' 'figures=[nll_bounds,noise_to_digit]'." in ended.err
    assert len(ended.err.strip().splitlines()) == 1
    assert cli("figures", "run=run", "figures=none").err.endswith("type figures=[samples,curves]\n")
    assert cli("figures", "run=nowhere").status == 2


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("figures.style.format=jpg", "figures.style.format=jpg"),
        ("figures.style.format=[png,gif]", "figures.style.format"),
        ("figures.style.format=[]", "figures.style.format"),
        ("figures.style.dpi=0", "figures.style.dpi=0: must be greater than or equal to 20"),
        ("figures.style.dpi=99999", "figures.style.dpi=99999: must be less than or equal to 1200"),
        ("figures.style.width=0.1", "figures.style.width=0.1"),
        ("figures.style.title=maybe", "figures.style.title=maybe: must be a valid boolean"),
        ("figures.style.colour=red", "figures.style.colour"),
    ],
)
def test_a_bad_style_is_refused_before_training_in_one_line(cli, tmp_path, word, told):
    for command in (["train", *TINY, *BARE, "hydra.run.dir=run"], ["compare", str(OLD / "sweep"), "out=out"]):
        ended = cli(*command, word)
        assert ended.status == 2
        assert told in ended.err
        assert len(ended.err.strip().splitlines()) == 1
        assert "no such key" in ended.err or "must be" in ended.err or "have at least 1" in ended.err, ended.err
    assert not list(tmp_path.iterdir())


def test_training_writes_the_formats_and_the_logger_receives_png(cli, tmp_path, monkeypatch):
    sent = []
    monkeypatch.setattr(drawing, "log_figure", lambda logger, name, path, step: sent.append((name, path.read_bytes())))
    words = [word for word in (*TINY, *BARE) if not word.startswith(("figures", "logger"))]
    style = ["figures.style.format=[pdf]", "figures=samples", "logger=tensorboard", "hydra.run.dir=run"]
    ended = cli("train", *words, *style)
    assert ended.status == 0, ended.err
    assert list(contents(tmp_path / "run")) == ["samples.pdf"]
    ((name, png),) = sent
    assert (name, png[1:4]) == ("samples", b"PNG")


def test_settings_that_do_not_fit_the_run_leave_out_one_figure_alone(cli, run_copy):
    ended = cli(
        "figures", f"run={run_copy}", "figures=[interpolation,curves]", "figures.interpolation.pairs=[[0,99999]]"
    )
    assert ended.status == 0, ended.err
    told = " ".join(ended.out.split())
    assert "No figure interpolation: there is no test image 99999: the test set has images 0 to 359" in told
    assert "Drawn in" in told
    assert told.endswith("curves.png")


def test_an_animation_is_saved_as_asked_and_the_logger_receives_a_gif(cli, tmp_path, monkeypatch):
    sent = []
    monkeypatch.setattr(drawing, "log_video", lambda logger, name, gif, step: sent.append((name, gif[:6])))
    words = [word for word in (*TINY, *BARE) if not word.startswith(("figures", "logger"))]
    moving = ["figures=[interpolation]", "figures.interpolation.animation=webp", "logger=tensorboard"]
    ended = cli("train", *words, *moving, "hydra.run.dir=run")
    assert ended.status == 0, ended.err
    assert sorted(contents(tmp_path / "run")) == ["interpolation.png", "interpolation.webp"]
    assert sent == [("interpolation", b"GIF89a")]
    ended = cli("figures", "run=run", "figures=[interpolation]", "figures.interpolation.animation=gif")
    assert ended.status == 0, ended.err
    assert "interpolation.gif" in ended.out


def test_a_job_that_differs_in_its_style_alone_is_not_trained_again(cli, tmp_path):
    words = ["train", "-m", *TINY, *BARE, "latent_dim=1,2", "sweep=mine"]
    assert cli(*words).status == 0
    jobs = sorted((tmp_path / "outputs/sweeps/mine").glob("*/results.json"))
    before = [path.stat().st_mtime_ns for path in jobs]
    ended = cli(*words, "figures.style.format=[png,pdf]")
    assert ended.status == 0, ended.err
    assert [path.stat().st_mtime_ns for path in jobs] == before
    plots = {path.name for path in (tmp_path / "outputs/sweeps/mine/plots").iterdir()}
    assert {"curves.png", "curves.pdf"} <= plots


def test_an_evaluation_prints_what_it_computed_and_counts_the_rest(cli, run_copy):
    results = json.loads((run_copy / "results.json").read_text())
    known, results["metrics"]["test/active_units"] = len(results["metrics"]), 99.0
    (run_copy / "results.json").write_text(json.dumps(results))
    ended = cli("evaluate", "run=run", "metrics=latent_use", "figures=none")
    assert ended.status == 0, ended.err
    lines = ended.out.splitlines()
    assert [line.split()[0] for line in lines if line.startswith("  ")] == ["active_units"]
    assert f"Everything is in run; results.json has {known - 1} other scores, meanings in full, protocols" in lines


def texts_of(figure) -> list:
    """Everything that is written in a figure but for the numbers at the ticks."""
    texts = [figure._suptitle, *(text for axes in figure.axes for text in (axes.title, *axes.texts))]
    texts += [axis.label for axes in figure.axes if axes.axison for axis in (axes.xaxis, axes.yaxis)]
    legends = [axes.get_legend() for axes in figure.axes]
    texts += [text for legend in legends if legend for text in (*legend.get_texts(), legend.get_title())]
    return [text for text in texts if text is not None and text.get_text()]


def cut_texts(cli, monkeypatch, *words: str) -> tuple[list, set[str]]:
    """The texts of the run's figures that are not inside the figure, and the names of the figures."""
    cut, seen = [], set()

    def look(figure, folder, name, style):
        seen.add(name)
        figure.draw_without_rendering()
        for text in texts_of(figure):
            box = text.get_window_extent()
            if box.x0 < -2 or box.y0 < -2 or box.x1 > figure.bbox.width + 2 or box.y1 > figure.bbox.height + 2:
                cut.append((name, text.get_text()))
        return [folder / "a.png"]

    monkeypatch.setattr(drawing, "save_figure", look)
    ended = cli("figures", "run=run", *words)
    assert ended.status == 0, ended.err
    return cut, seen


NARROW = ("figures.style.width=3.3",)
QUICK = "figures=[samples,reconstructions,curves,kl_per_dimension,label_shares]"


def test_no_text_is_cut_in_the_column_of_a_paper(cli, run_copy, monkeypatch):
    cut, seen = cut_texts(cli, monkeypatch, *NARROW, QUICK)
    assert not cut
    assert len(seen) == 5


@pytest.mark.slow
def test_no_text_of_any_figure_is_cut(cli, run_copy, monkeypatch):
    assert cli("evaluate", "run=run", "metrics=[robustness,novelty,nll]", "metrics.nll.samples=10").status == 0
    for words in ((), NARROW, ("figures.style.width=6.5",), ("figures.style.font_size=14",)):
        cut, seen = cut_texts(cli, monkeypatch, *words)
        assert not cut, words
        assert len(seen) == 12
