"""Tests of the capabilities that metrics and figures need, and of the sentence for each that a run lacks."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml
from helpers import FakeExtractor, FakeTrained, FlowPosterior, GivenSource, labelled, small_model

from vae_lab.config.help import options
from vae_lab.config.make import make
from vae_lab.data.dataset import Dataset
from vae_lab.evaluation.needs import CAPABILITIES, QUIET, missing, note_without_results, usable
from vae_lab.evaluation.trained import Evaluation
from vae_lab.examples import Examples, Factors, RealVectors, Tokens
from vae_lab.likelihoods import MSE, Bernoulli
from vae_lab.objectives.elbo import ELBO
from vae_lab.schedules import Constant
from vae_lab.scores import Scores, needs_of
from vae_lab.training.job import Job

NEEDS = {
    "metrics": {
        **dict.fromkeys(["fid", "val_fid", "kid", "prdc", "novelty"], ("images", "features")),
        "inception_score": ("images", "features", "classes_of_features"),
        "attributes": ("images", "continuous", "attributes", "classifier"),
        "label_distribution": ("images", "labels", "classifier"),
        "conditional_accuracy": ("conditional", "images", "labels", "classifier"),
        "probe": ("labels",),
        "aggregate_posterior": ("posterior", "gaussian"),
        "mig_integral": ("factors", "posterior", "gaussian"),
        "levels": ("hierarchy", "posterior"),
        "codes": ("codes",),
        "code_bound": ("codes", "code_prior"),
        "nll": ("posterior", "densities", "likelihood"),
        **dict.fromkeys(["beta_vae_metric", "factor_vae_score", "mig", "dci", "sap"], ("factors",)),
        **dict.fromkeys(["denoising", "ood"], ("images",)),
        "pixel_anomaly": ("images", "masks"),
        **dict.fromkeys(["loss_terms", "val_loss_terms", "latent_use", "anomaly"], ()),
    },
    "scores": {
        "recon": (),
        **dict.fromkeys(["elbo", "typicality"], ("posterior",)),
        "kl": ("posterior", "continuous"),
        "nll": ("posterior", "densities"),
        "latent_path": ("continuous",),
        "likelihood_regret": ("posterior", "gaussian"),
        "waic": ("posterior", "ensemble"),
        "input_complexity": ("images", "posterior"),
    },
    "figures": {
        "class_samples": ("conditional", "images"),
        "attribute_arithmetic": ("images", "continuous", "attributes"),
        "synthetic_arithmetic": ("images", "continuous"),
        "noise_to_digit": ("images", "unconditional"),
        "kl_of_images": ("introspective",),
        "triples": ("images", "introspective"),
        "kl_per_level": ("hierarchy", "continuous"),
        "level_draws": ("hierarchy", "continuous", "images"),
        "first_levels": ("hierarchy", "continuous", "posterior", "images"),
        "class_temperatures": ("conditional", "images"),
        "top_fixed": ("images", "codes", "hierarchy", "code_prior"),
        "code_usage": ("codes",),
        **dict.fromkeys(["code_maps", "codes_alone"], ("images", "codes")),
        **dict.fromkeys(["manifold", "traversal"], ("images", "continuous")),
        **dict.fromkeys(["interpolation", "j_diagram"], ("images",)),
        **dict.fromkeys(["samples", "reconstructions", "temperatures", "neighbours"], ("images",)),
        **dict.fromkeys(["denoising", "novelty", "typical"], ("images",)),
        **dict.fromkeys(["curves", "kl_per_dimension", "label_shares", "latent_space", "nll_bounds", "ood_roc"], ()),
    },
}

NO_FACTORS = (
    "the dataset has no known factors; dataset=sprites and dataset=faces have them, and dataset=arrays with "
    "dataset.source.factors="
)


def parts_of(group: str) -> dict:
    """Every metric or figure that an option of ``conf`` makes."""
    nodes: dict = {}
    for path in options(group).values():
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
        nodes |= {name: node for name, node in found.items() if name != "defaults"}
    return {name: make(node) for name, node in nodes.items()}


PARTS = {group: parts_of(group) for group in NEEDS}
LACKED = {
    "attributes",
    "unconditional",
    "hierarchy",
    "codes",
    "code_prior",
    "ensemble",
}  # by a conditional run of one level of real codes
EACH_NEED = [
    pytest.param(part, need, id=f"{group}-{name}-{need}")
    for group, parts in PARTS.items()
    for name, part in parts.items()
    for i, need in enumerate(NEEDS[group].get(name, ()))
    if not LACKED & set(NEEDS[group][name][:i])  # otherwise these runs lack another one before
]


def black_and_white(n: int = 12) -> Examples:
    images = labelled(n)
    stored = (images.stored > 127).to(torch.uint8) * 255
    masks = stored.new_zeros(12, 1, *stored.shape[2:])
    return replace(images, stored=stored, factors=Factors(("a", "b"), (3, 4), stored), masks=masks)


def run(likelihood=None, images: Examples | None = None, **more) -> FakeTrained:
    """Return a run of one level that has every other capability, except those that the arguments change."""
    model = small_model(likelihood or Bernoulli(), **({"conditional": True, "y_size": 3} | more)).eval()
    objective = SimpleNamespace(variational=True, introspective=True)
    return FakeTrained(images or black_and_white(), model=model, objective=objective, classifier=FakeExtractor())


def holding(values) -> FakeTrained:
    made = run()
    made.data.values = values
    return made


def without_extractor() -> FakeTrained:
    made = run()
    made.extractor = None
    return made


def left_out() -> FakeTrained:
    made = run()
    made.without_classifier = "it takes longer than the run"
    return made


def without_posterior() -> FakeTrained:
    made = run()
    made.objective = SimpleNamespace(variational=False)
    return made


def of_another_objective() -> FakeTrained:
    made = run()
    made.objective = SimpleNamespace(variational=True)
    return made


def inferring(change) -> FakeTrained:
    """A run whose latents are changed after inference."""
    made = run()
    infer = made.model.infer
    made.model.infer = lambda *args, **more: replace(latents := infer(*args, **more), **change(latents))
    return made


def discrete() -> FakeTrained:
    made = run()
    made.model.code_sizes = (8,)
    return made


def deterministic() -> FakeTrained:
    made = run()
    made.model.deterministic = True
    return made


def with_attributes() -> Examples:
    return replace(black_and_white(), targets=torch.rand(12, 2), classes=(), attributes=("a", "b"))


NO_LABELS = "the dataset has no labels"
NOT_GAUSSIAN = "it needs one level of Gaussian posteriors"
LACKING = {
    "images": [
        (lambda: holding(Tokens(("a", "b"))), "the dataset holds tokens, not images"),
        (lambda: holding(RealVectors()), "the dataset holds vectors, not images"),
    ],
    "masks": [
        (
            lambda: run(images=replace(black_and_white(), masks=None)),
            "the test images have no masks of defects; those of dataset=mvtec have some",
        )
    ],
    "labels": [
        (lambda: run(images=replace(black_and_white(), targets=None, classes=())), NO_LABELS),
        (lambda: run(images=with_attributes(), y_size=2), "the dataset has attributes, not labels"),
        (
            lambda: run(images=replace(black_and_white(), targets=torch.zeros(12).long(), classes=("one",))),
            "all examples of the dataset have the same label",
        ),
    ],
    "attributes": [
        (
            run,
            "the dataset has no attributes; they come from dataset=faces, attributes.csv in an image "
            "folder, or dataset=sprites dataset.source.labels=factors",
        )
    ],
    "classifier": [(left_out, "it takes longer than the run")],
    "features": [
        (
            without_extractor,
            "the dataset has no labels to train a feature classifier on; features=inception needs none",
        )
    ],
    "classes_of_features": [
        (
            lambda: run(images=with_attributes(), y_size=2),
            "the classifier of this dataset reads attributes, not classes",
        )
    ],
    "factors": [
        (
            lambda: run(images=replace(black_and_white(), factors=None)),
            NO_FACTORS,
        )
    ],
    "conditional": [(lambda: run(conditional=False), "the model is not conditional")],
    "unconditional": [(run, "the model is conditional, and noise has no label")],
    "hierarchy": [(run, "the model has one level of latents")],
    "codes": [(run, "the model has no discrete codes")],
    "continuous": [(discrete, "the codes of the model are discrete")],
    "plane": [(run, "the latent space has more than two dimensions")],
    "code_prior": [(run, "no prior was fitted to the codes; type sampler=code_transformer")],
    "posterior": [(without_posterior, "this objective trains no q(z|x)")],
    "introspective": [(of_another_objective, "this objective does not train the encoder on decoded images")],
    "gaussian": [
        (lambda: run(posterior=FlowPosterior), NOT_GAUSSIAN),
        (lambda: inferring(lambda latents: {"z": latents.z * 2, "q": latents.q * 2}), NOT_GAUSSIAN),
    ],
    "densities": [
        (deterministic, "the codes of this model are deterministic, so that q(z|x) has no density"),
        (lambda: inferring(lambda _: {"log_q": None}), "this model has no densities of its latents"),
        (lambda: inferring(lambda _: {"log_p": None}), "this model has no densities of its latents"),
    ],
    "ensemble": [(run, "it needs several runs that differ in their seed; type run=<folder of a sweep over seeds>")],
    "likelihood": [
        (
            lambda: run(images=replace(labelled(12), factors=black_and_white().factors)),
            "grey levels have no probability under likelihood=bernoulli; train with dataset.binarize=dynamic",
        )
    ],
}
EACH_LACK = [pytest.param(need, *lack, id=f"{need}-{i}") for need in LACKING for i, lack in enumerate(LACKING[need])]


class Part:
    """A metric or figure that only declares; a test fails where it is called."""

    def __init__(self, *needs: str) -> None:
        self.needs = needs

    def __call__(self, trained):
        raise AssertionError("it was called")


@pytest.mark.parametrize("group", NEEDS)
def test_every_metric_and_figure_declares_its_needs(group):
    assert {name: needs_of(part) for name, part in PARTS[group].items()} == NEEDS[group]


def test_a_need_in_a_set_holds_unless_the_part_is_named():
    part = Part("images")
    part.needs_in_a_set = ("plane",)
    assert usable({"manifold": part}, run()) == ({}, [])
    assert usable({"manifold": part}, run(latent_dim=2)) == ({"manifold": part}, [])
    assert usable({"manifold": part}, run(), named=True) == ({"manifold": part}, [])


@pytest.mark.parametrize("group", NEEDS)
def test_a_run_with_every_capability_can_have_all(group):
    parts = {name: part for name, part in PARTS[group].items() if not LACKED & set(needs_of(part))}
    assert usable(parts, run(), named=True) == (parts, [])


def test_each_capability_is_missing_in_some_test():
    assert list(LACKING) == list(CAPABILITIES)


@pytest.mark.parametrize(("need", "made", "reason"), EACH_LACK)
def test_a_missing_capability_is_reported_with_its_reason(need, made, reason):
    assert missing(Part(need), made()) == (need, reason)
    found, notes = usable({"kept": (kept := Part()), "left_out": Part(need)}, made())
    assert found == {"kept": kept}
    assert notes == ([] if need in QUIET else [f"No left_out: {reason}."])


@pytest.mark.parametrize(("part", "need"), EACH_NEED)
def test_a_metric_or_figure_is_left_out_of_a_run_that_lacks_one_of_its_needs(part, need):
    for made, reason in LACKING[need]:
        assert missing(part, made()) == (need, reason)
        assert usable({"part": part}, made()) == ({}, [] if need in QUIET else [f"No part: {reason}."])


def test_a_metric_of_conditional_models_is_left_out_of_others_in_silence():
    assert usable({"conditional_accuracy": Part("conditional", "labels")}, run(conditional=False)) == ({}, [])


def test_a_part_that_the_user_has_named_is_never_left_out_in_silence():
    notes = ["No figure class_samples: the model is not conditional."]
    parts = {"class_samples": PARTS["figures"]["class_samples"]}
    assert usable(parts, run(conditional=False), "figure ", named=True) == ({}, notes)
    noise = {"noise_to_digit": PARTS["figures"]["noise_to_digit"]}
    assert usable(noise, run(conditional=False)) == (noise, [])


def test_needs_are_checked_in_their_order_up_to_the_first_that_is_missing():
    made = holding(Tokens(("a", "b")))
    del made.extractor  # in an evaluation, asking for it trains a classifier
    assert missing(Part("images", "features"), made) == ("images", "the dataset holds tokens, not images")
    with pytest.raises(AttributeError, match="extractor"):
        missing(Part("features", "images"), made)


def test_scores_left_out_for_one_reason_share_a_note():
    parts = {"fid": Part("features"), "mig": Part("factors"), "kid": Part("images", "features"), "loss": Part()}
    assert usable(parts, FakeTrained()) == (
        {"loss": parts["loss"]},
        [
            "No fid, kid: the dataset has no labels to train a feature classifier on; features=inception needs none.",
            f"No mig: {NO_FACTORS}.",
        ],
    )


def test_grey_levels_have_a_density_under_a_gaussian():
    assert missing(Part("likelihood"), run(MSE(), labelled(12))) is None


def test_one_grey_image_among_many_is_found():
    images = black_and_white(1002)
    images.stored[-1] = 128
    assert missing(Part("likelihood"), run(images=images))[0] == "likelihood"


def test_a_posterior_without_a_normal_has_densities():
    made = run(posterior=FlowPosterior)
    assert made.model.infer(*first(made), 1, made.noise("trial")).q == (None,)
    assert missing(Part("densities"), made) is None


def first(made: FakeTrained) -> tuple[torch.Tensor, torch.Tensor | None]:
    batch = next(made.data.batches("test", 1))
    return batch.x, batch.y


def test_parts_of_images_alone_need_no_model():
    of_images = [part for parts in PARTS.values() for part in parts.values() if getattr(part, "of_images", False)]
    assert {need for part in of_images for need in needs_of(part)} == {
        "images", "labels", "classifier", "features", "classes_of_features",
    }  # fmt: skip


def test_scoring_calls_only_metrics_whose_needs_are_met_and_notes_the_others_once():
    data = Dataset("fake", GivenSource(labelled(40), labelled(12)), Path(), 5, 0)
    made = Evaluation(Job(small_model(), ELBO(1.0, 1.0, 1, "B", Constant())), data, 0, torch.device("cpu"))
    metrics = {"mig": Part("factors"), "plain": lambda _: Scores({"x": 1.0}), "sap": Part("factors")}
    for _ in range(2):
        scores = made.run(metrics)
        assert scores.values == {"test/x": 1.0}
        assert scores.notes == [f"No mig, sap: {NO_FACTORS}."]


def test_scoring_notes_a_named_metric_that_does_not_concern_the_run():
    data = Dataset("fake", GivenSource(labelled(40), labelled(12)), Path(), 5, 0)
    made = Evaluation(Job(small_model(), ELBO(1.0, 1.0, 1, "B", Constant())), data, 0, torch.device("cpu"))
    assert made.run({"levels": Part("hierarchy")}).notes == []
    assert made.run({"levels": Part("hierarchy")}, named=True).notes == [
        "No levels: the model has one level of latents."
    ]


def test_every_figure_draws_results_of_metrics_that_exist():
    drawn = {name: part.draws for name, part in PARTS["figures"].items() if hasattr(part, "draws")}
    assert set().union(*drawn.values()) <= set(PARTS["metrics"])
    assert drawn["typical"] == ("anomaly",)
    assert set(drawn) == {"denoising", "ood_roc", "nll_bounds", "typical", "label_shares", "kl_per_dimension",
                          "novelty", "noise_to_digit", "code_usage", "codes_alone"}  # fmt: skip


@pytest.mark.parametrize(
    ("lacking", "command", "before", "note"),
    [
        ({}, "evaluate", True, []),
        ({"typical": ["anomaly"]}, "evaluate run=a", False, [
            "No figure typical: it shows the results of metrics=anomaly; type evaluate run=a metrics=anomaly "
            "figures=typical."]),
        ({"ood_roc": ["ood"], "noise_to_digit": ["ood"]}, "", False, [
            "No figures ood_roc, noise_to_digit: they show the results of metrics=ood; add ood to metrics=."]),
        ({"typical": ["anomaly"], "ood_roc": ["ood"]}, "evaluate run=a", True, [
            "No figures typical, ood_roc: they show the results of metrics=anomaly,ood; add anomaly, ood to metrics=, "
            "or type evaluate run=a 'metrics=[anomaly,ood]' 'figures=[typical,ood_roc]' later."]),
    ],
)  # fmt: skip
def test_one_sentence_says_what_to_type_for_the_figures_that_lack_results(lacking, command, before, note):
    assert note_without_results(lacking, command, before) == note
