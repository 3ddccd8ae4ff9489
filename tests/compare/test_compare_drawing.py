import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made import make_run, make_sweep

from vae_lab.compare.compared import Compared
from vae_lab.compare.folders import run_folders
from vae_lab.compare.plots.drawing import LINES
from vae_lab.compare.plots.plotted import Plotted
from vae_lab.compare.plots.scatter import front
from vae_lab.compare.reading import read
from vae_lab.compare.views.interactive import figure
from vae_lab.figures.draw_plot import draw
from vae_lab.figures.plots import HeatMap, Line, Plot, log_ticks, wide


def compared(*folders) -> Compared:
    return Compared([read(folder) for folder in run_folders(list(folders))[0]])


@pytest.fixture
def sweep(tmp_path) -> Compared:
    return compared(make_sweep(tmp_path / "sweep"))


def test_a_threshold_in_nats_is_not_the_unit_of_a_score(sweep):
    meanings = {"active dimensions: KL above 0.01 nats": False, "KL of level 1, nats per image": True}
    for meaning, has_unit in meanings.items():
        for record in sweep.records:
            record.meanings["test/active_units"] = meaning
        (panel,) = Plotted(sweep, ["active_units"]).against["active_units"]["latent_dim"]
        assert ("nats" in panel.plot.y_label) is has_unit


def test_a_score_is_drawn_over_each_number_with_its_spread_over_seeds(sweep):
    (panel,) = Plotted(sweep, []).against["fid"]["latent_dim"]
    lines = {line.label: line for line in panel.plot.lines}
    assert set(lines) == {"beta=1", "beta=4", "floor 2: real training images"}
    assert lines["beta=4"].x == [2, 16]
    assert lines["beta=4"].y == [42.5, 56.5]
    assert lines["beta=4"].error == pytest.approx([np.std([0, 1], ddof=1)] * 2)
    assert "sd over seeds" in panel.plot.y_label
    assert "lower is better" in panel.plot.subtitle
    assert "n = 2" in lines["beta=4"].about[0]


def test_a_heat_map_holds_the_mean_of_each_pair(sweep):
    (panel,) = Plotted(sweep, []).heat_maps["fid"]["latent_dim × beta"]
    assert (panel.plot.heat_map.x, panel.plot.heat_map.y) == (["2", "16"], ["1", "4"])
    assert panel.plot.heat_map.values == [[12.5, 26.5], [42.5, 56.5]]


def test_curves_hold_interrupted_runs_too_and_seeds_look_alike(sweep):
    (panel,) = Plotted(sweep, []).single_curves["val/loss"]
    assert len(panel.plot.lines) == 10  # eight finished, the interrupted and the damaged one
    assert any("interrupted" in line.label for line in panel.plot.lines)
    first, second = panel.plot.lines[:2]
    assert first.style == second.style
    assert list(first.x) == [1, 2, 3]


def test_curves_over_seeds_are_means_with_a_band_of_one_standard_deviation(sweep):
    (panel,) = Plotted(sweep, []).curves["val/loss"]
    assert len(panel.plot.lines) == 6  # four settings, the interrupted and the damaged run
    first = panel.plot.lines[0]
    assert first.label == "latent_dim=2 beta=1 (mean of 2 runs)"
    assert (list(first.x), first.runs) == ([1, 2, 3], (0, 1))
    assert first.y == pytest.approx([16.5, 15.5, 14.5])  # val/loss is fid + 4 - epoch, and the FIDs are 12 and 13
    assert first.band == pytest.approx([np.std([0, 1], ddof=1)] * 3)
    assert panel.plot.lines[-1].band is None
    assert panel.plot.subtitle.endswith("; 10 runs; bands: mean ± sd over seeds")
    drawn = figure(panel.plot)
    area, line = drawn["data"][:2]
    assert (area["fill"], area["meta"], line["meta"]) == ("toself", {"runs": [0, 1]}, {"runs": [0, 1]})
    assert list(area["x"]) == [1, 2, 3, 3, 2, 1]
    assert area["y"][0] - line["y"][0] == pytest.approx(line["y"][0] - area["y"][-1], abs=1e-3)
    assert {"dtick": 1, "tick0": 0, "tickformat": "d"}.items() <= drawn["layout"]["xaxis"].items()
    assert len(draw(panel.plot).axes[0].collections) >= 4


def test_the_mean_over_seeds_ends_with_the_shortest_run(tmp_path):
    for seed in (0, 1):
        make_run(tmp_path / str(seed), 10.0, seed=seed)
    metrics = tmp_path / "1" / "metrics.csv"
    metrics.write_text("\n".join(metrics.read_text().splitlines()[:3]) + "\n")  # patience has ended it after 2 epochs
    (panel,) = Plotted(compared(tmp_path), []).curves["val/loss"]
    assert [list(line.x) for line in panel.plot.lines] == [[1, 2]]


@pytest.mark.parametrize(("epochs", "step"), [(3, 1), (10, 1), (11, 2), (20, 2), (50, 5), (300, 50), (1000, 100)])
def test_an_axis_of_epochs_has_whole_ticks(epochs, step):
    axis = figure(Plot("", "epoch", "", [Line("", range(1, epochs + 1), [0.0] * epochs)]))["layout"]["xaxis"]
    assert (axis["tick0"], axis["dtick"]) == (0, step)


def test_rate_and_distortion_have_a_point_per_finished_run(sweep):
    (panel,) = Plotted(sweep, []).rate_distortion
    assert {line.label for line in panel.plot.lines} == {"beta=1", "beta=4"}
    assert sum(len(line.x) for line in panel.plot.lines) == 8
    assert (panel.plot.x_label, panel.plot.y_label) == ("kl, nats per image", "recon, nats per image")


def of_sequences(folder: Path) -> None:
    """Give a run the meanings of scores of sequences."""
    results = json.loads((folder / "results.json").read_text())
    results["meanings"] = {k: v.replace("per image", "per sequence") for k, v in results["meanings"].items()}
    (folder / "results.json").write_text(json.dumps(results))


def test_axes_say_per_sequence_where_the_runs_hold_sequences(tmp_path):
    phrases = {"dataset__name": "phrases", "choices__dataset": "phrases"}
    for i, dim in enumerate((2, 4)):
        make_run(tmp_path / f"a{i}", 10.0 + i, latent_dim=dim)
        of_sequences(make_run(tmp_path / f"b{i}", 50.0 + i, latent_dim=dim, **phrases))
    both = compared(tmp_path)
    plotted = Plotted(both, [])
    titles = {panel.plot.title: panel.plot for panel in plotted.rate_distortion}
    assert set(titles) == {"Rate and distortion on test images", "Rate and distortion on test sequences"}
    assert titles["Rate and distortion on test images"].x_label == "kl, nats per image"
    assert titles["Rate and distortion on test sequences"].x_label == "kl, nats per sequence"
    units = {panel.plot.y_label for panel in plotted.curves["val/loss"]}
    assert units == {"val/loss, nats per image", "val/loss, nats per sequence"}
    units = {panel.plot.y_label for panel in plotted.against["elbo"]["latent_dim"]}
    assert units == {"elbo, nats per image", "elbo, nats per sequence"}
    assert both.scores["elbo"].meaning == "−recon − kl, nats per example, higher is better"


def test_axes_say_per_example_where_one_panel_holds_both_or_no_run_says_it(tmp_path):
    make_run(tmp_path / "a", 10.0)
    of_sequences(make_run(tmp_path / "b", 11.0, seed=1))
    (panel,) = Plotted(compared(tmp_path), []).rate_distortion
    assert panel.plot.title == "Rate and distortion on test examples"
    assert panel.plot.x_label == "kl, nats per example"
    (make_run(tmp_path / "other" / "c") / "results.json").unlink()
    (panel,) = Plotted(compared(tmp_path / "other"), []).curves["val/loss"]
    assert panel.plot.y_label == "val/loss, nats per example"


def test_other_protocols_and_datasets_have_separate_axes(tmp_path):
    for i, dim in enumerate((2, 4, 8)):
        make_run(tmp_path / f"a{i}", 10.0 + i, latent_dim=dim)
        make_run(tmp_path / f"b{i}", 50.0 + i, {"images": 1000}, latent_dim=dim)
        make_run(tmp_path / f"c{i}", 90.0 + i, latent_dim=dim, dataset__name="mnist", choices__dataset="mnist")
    plotted = Plotted(compared(tmp_path), [])
    panels = plotted.against["fid"]["latent_dim"]
    drawn = [sorted(y for line in panel.plot.lines if line.style is None for y in line.y) for panel in panels]
    assert sorted(drawn) == [[10, 11, 12], [50, 51, 52], [90, 91, 92]]
    assert len(plotted.rate_distortion) == len(plotted.curves["val/loss"]) == 2  # FID's images do not part these


def test_very_many_combinations_are_points_with_their_mean(tmp_path):
    for i in range(LINES + 2):
        for j, dim in enumerate((2, 4)):
            make_run(tmp_path / f"{i}-{j}", 10.0 + i, latent_dim=dim, lr=1e-3 * (i + 1))
    (panel,) = Plotted(compared(tmp_path), []).against["fid"]["latent_dim"]
    points, mean, _ = panel.plot.lines
    assert not points.joined
    assert len(points.x) == 2 * (LINES + 2)
    assert mean.y == pytest.approx([10 + (LINES + 1) / 2] * 2)


def test_trials_of_a_search_are_points_and_no_line(tmp_path):
    for i, (dim, lr) in enumerate([(2, 3e-3), (3, 1e-4), (7, 5e-3), (9, 2e-3)]):
        make_run(tmp_path / str(i), 10.0 + i, latent_dim=dim, lr=lr)
    (panel,) = Plotted(compared(tmp_path), []).against["fid"]["latent_dim"]
    points = panel.plot.lines[0]
    assert (points.joined, points.x) == (False, [2, 3, 7, 9])
    assert "single points also differ in lr" in panel.plot.subtitle
    make_run(tmp_path / "more", 20.0, latent_dim=20, lr=2e-3)
    (panel,) = Plotted(compared(tmp_path), []).against["fid"]["latent_dim"]
    line, points = panel.plot.lines[:2]
    assert (line.label, line.joined, line.x) == ("lr=0.002", True, [9, 20])
    assert (points.joined, points.x) == (False, [2, 3, 7])


def test_rate_and_distortion_are_coloured_by_the_number_that_varies_and_named_on_pointing(tmp_path):
    for i in range(7):  # one more than there are colours
        make_run(tmp_path / str(i), 10.0 + i, latent_dim=2 + i)
    (panel,) = Plotted(compared(tmp_path), []).rate_distortion
    assert (panel.plot.shade, panel.plot.legend) == ("latent_dim", "latent_dim")
    assert [line.shade for line in panel.plot.lines] == list(range(2, 9))
    hover = figure(panel.plot)["data"][0]["hovertemplate"]
    assert "kl %{x" in hover
    assert "recon %{y" in hover


def test_a_front_holds_the_points_that_no_other_beats_in_both():
    points = np.random.default_rng(0).random((60, 2))
    beaten = [any((q <= p).all() and (q < p).any() for q in points) for p in points]
    assert sorted(front([tuple(p) for p in points])) == [i for i, lost in enumerate(beaten) if not lost]


@pytest.mark.parametrize("objectives", [[["fid", "min"], ["test/elbo", "max"]]])
def test_two_objectives_of_a_search_are_drawn_with_their_front(sweep, objectives):
    (panel,) = Plotted(sweep, [{"pareto": objectives}]).pareto
    assert panel.plot.lines[-1].label == "Pareto front"
    assert (panel.plot.lines[-1].x, panel.plot.lines[-1].y) == ([12.0], [-12.0])


@pytest.mark.parametrize("objectives", [None, 3, [], [["fid", "min"]], [["no", "min"], ["fid", "min"]],
                                        [["fid", "least"], ["elbo", "max"]]])  # fmt: skip
def test_objectives_that_say_nothing_draw_nothing(sweep, objectives):
    assert Plotted(sweep, [{"pareto": objectives}]).pareto == []


@pytest.mark.parametrize(("values", "near"), [((254.0, 275.0), False), ((2.5, 9.0), True)])
def test_a_floor_far_below_is_stated_and_does_not_stretch_the_axis(tmp_path, values, near):
    for i, value in enumerate(values):
        make_run(tmp_path / str(i), value, latent_dim=2 + i)
    (panel,) = Plotted(compared(tmp_path), []).against["fid"]["latent_dim"]
    assert any(line.style == -1 for line in panel.plot.lines) == near
    assert ("floor 2 (real training images) lies below these axes" in panel.plot.subtitle) != near
    low, high = draw(panel.plot).axes[0].get_ylim()
    assert (low > 200) != near
    assert low < min(values) < max(values) < high


def test_a_floor_says_which_part_of_it_is_sampling_error(tmp_path):
    for i, value in enumerate((2.5, 9.0)):
        path = make_run(tmp_path / str(i), value, latent_dim=2 + i) / "results.json"
        results = json.loads(path.read_text())
        results["metrics"]["test/fid_split_floor"] = 1.0 + i
        path.write_text(json.dumps(results))
    (panel,) = Plotted(compared(tmp_path), []).against["fid"]["latent_dim"]
    assert "floor 2: real training images; 1.5 by sampling error alone" in [line.label for line in panel.plot.lines]


def test_positions_by_factors_stand_on_a_logarithmic_axis_with_a_tick_at_each(tmp_path):
    for dim in (1, 4, 16, 64):
        make_run(tmp_path / str(dim), 10.0 + dim, latent_dim=dim)
    (panel,) = Plotted(compared(tmp_path), []).against["fid"]["latent_dim"]
    assert panel.plot.log_x
    axes = draw(panel.plot).axes[0]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["1", "4", "16", "64"]
    assert list(axes.get_xticks(minor=True)) == []
    assert list(figure(panel.plot)["layout"]["xaxis"]["ticktext"]) == ["1", "4", "16", "64"]


def test_ticks_that_would_overlap_are_left_out():
    assert log_ticks([1, 10, 100, 101, 1000]) == [1, 10, 100, 1000]
    assert log_ticks(range(1, 100)) == []
    assert log_ticks([0, 1, 10]) == []


def test_an_axis_is_logarithmic_over_a_wide_range_of_positive_values():
    assert wide([1, 4, 16])
    assert not wide([1, 16])
    assert not wide([1, 4, 15])
    assert wide([1e-4, 1e-1])
    assert wide([1e-4, 1e-2])
    assert not wide([1, 99])
    assert not wide([0, 1e5])
    assert not wide([])


PLOT = Plot("fid", "lr", "fid, nats", [Line("a", [1e-4, 1], [1.0, 2.0], [0.1, 0.2], ["p", "q"], runs=(3,))], log_x=True,
            subtitle="n = 3", legend="beta")  # fmt: skip
HEAT = Plot("fid", "x", "y", heat_map=HeatMap(["1", "2"], ["3"], [[1.0, None]], "fid"))
SHADED = Plot(
    "f", "x", "y", [Line(str(i), [1, 2], [i, i], shade=10.0**i) for i in range(30)], shade="lr", log_shade=True
)


def test_a_picture_shows_the_data_of_the_plot():
    axes = draw(PLOT).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_xscale()) == ("lr", "fid, nats", "log")
    (bars,) = axes.containers
    assert bars.has_yerr
    np.testing.assert_allclose(bars.lines[0].get_xydata(), [[1e-4, 1], [1, 2]])
    heat, scale = draw(HEAT).axes
    assert [text.get_text() for text in heat.texts] == ["1"]
    assert scale.get_ylabel() == "fid"
    assert draw(SHADED).axes[1].get_ylabel() == "lr"
    few = draw(replace(SHADED, lines=SHADED.lines[:9]))
    assert few.axes[1].get_ylabel() == "lr"
    assert few.axes[0].get_legend() is None  # it would lie on the scale


def test_the_page_shows_the_data_of_the_plot():
    shown = figure(PLOT)
    (trace,) = shown["data"]
    assert (list(trace["y"]), list(trace["error_y"]["array"]), trace["meta"]) == ([1, 2], [0.1, 0.2], {"runs": [3]})
    assert shown["layout"]["xaxis"]["type"] == "log"
    assert figure(HEAT)["data"][0]["z"] == [[1.0, None]]
    *lines, scale = figure(SHADED)["data"]
    assert len({line["line"]["color"] for line in lines}) == 30
    assert scale["marker"]["colorbar"]["title"]["text"] == "lr"
