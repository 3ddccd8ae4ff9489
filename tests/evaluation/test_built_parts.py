"""Tests of building metrics and figures: what is neither is refused, and named by its place in the config."""

import pytest
import yaml

from vae_lab.config.conf import CONF
from vae_lab.config.trust import trusting
from vae_lab.errors import UserError
from vae_lab.evaluation.parts import figures_of, metrics_named, metrics_of, of_samplers
from vae_lab.figures.code_maps import CodeMaps
from vae_lab.figures.curves import Curves
from vae_lab.figures.temperatures import Temperatures
from vae_lab.figures.top_fixed import TopFixed
from vae_lab.metrics.loss_terms import LossTermScores

CURVES, TERMS = "vae_lab.figures.curves.Curves", "vae_lab.metrics.loss_terms.LossTermScores"
FID, DENSE = "vae_lab.metrics.fid.FID", "vae_lab.nets.dense.Dense"
FAST = yaml.safe_load((CONF / "metrics" / "fast.yaml").read_text(encoding="utf-8"))["defaults"]
SIZES = {"width": 3, "depth": 1}


def plain(trained):
    return trained + 1


def config(metrics=None, figures=None) -> dict:
    return {"metrics": {"a": metrics, "off": None}, "figures": {"b": figures}}


def test_entries_set_to_null_are_left_out():
    both = config({"_target_": TERMS}, {"_target_": CURVES})
    assert {name: type(part) for name, part in metrics_of(both).items()} == {"a": LossTermScores}
    assert {name: type(part) for name, part in figures_of(both).items()} == {"b": Curves}


def test_only_those_of_images_are_kept_for_a_sampler():
    both = metrics_of({"metrics": {"terms": {"_target_": TERMS}, "fid": {"_target_": FID}}})
    assert list(of_samplers(both, prior=True)) == list(of_samplers(both, prior=False)) == ["fid"]


def test_figures_of_the_prior_depend_on_a_sampler_that_replaces_it():
    parts = {"temperatures": Temperatures(), "top_fixed": TopFixed(), "code_maps": CodeMaps()}
    assert list(of_samplers(parts, prior=True)) == ["temperatures", "top_fixed"]
    assert list(of_samplers(parts, prior=False)) == ["top_fixed"]


@pytest.mark.parametrize(
    ("node", "told"),
    [
        ({"_target_": DENSE, **SIZES}, f"{DENSE} is not a {{}}; type {{}}s=<option> to choose one"),
        ({"_target_": DENSE}, "missing 2 required positional arguments"),
        ({"_target_": "vae_lab.figures.nowhere.Figure"}, "nowhere"),
    ],
)
@pytest.mark.parametrize("kind", ["metric", "figure"])
def test_other_classes_are_refused_with_their_place(kind, node, told):
    parts, of = (metrics_of, "metrics.a") if kind == "metric" else (figures_of, "figures.b")
    with pytest.raises(UserError) as error:
        parts(config(metrics=node, figures=node))
    assert str(error.value).startswith(f"{of}: ")
    assert told.format(kind, kind) in str(error.value)


def test_a_metric_is_no_figure_and_a_figure_no_metric():
    with pytest.raises(UserError, match=r"^figures.b: vae_lab.metrics.loss_terms.LossTermScores is not a figure"):
        figures_of(config(figures={"_target_": TERMS}))
    with pytest.raises(UserError, match=r"^metrics.a: vae_lab.figures.curves.Curves is not a metric"):
        metrics_of(config(metrics={"_target_": CURVES}))


@pytest.mark.parametrize(
    ("choice", "metrics", "named"),
    [
        ("levels", ["levels"], True),
        ("fast", ["levels", "codes"], False),
        (None, ["levels", "nll"], True),
        (None, [*FAST, "val_fid"], False),  # [fast, val_fid]
        (None, FAST[:-1], True),
        (None, [*FAST, "nll", "fid"], False),
    ],
)
def test_the_metrics_of_a_set_are_not_named_by_the_user(choice, metrics, named):
    choices = {"metrics": choice} if choice else {}
    assert metrics_named({"choices": choices, "metrics": {name: {} for name in metrics}}) is named


def test_functions_without_annotations_are_accepted():
    node = {"_target_": f"{__name__}.plain", "_partial_": True}
    with trusting([__name__]):
        assert metrics_of(config(metrics=node))["a"](3) == 4
        assert figures_of(config(figures=node))["b"](3) == 4
