"""Capabilities that metrics and figures need, such as labels, and the reasons why a run does not have them.

A metric declares the names of capabilities, ``needs = ("images", "labels")``. They are checked in this order before the
metric is called, so its code can rely on them.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import cast

import torch

from vae_lab.inference import code_sizes
from vae_lab.scores import Generated, Trained, needs_in_a_set_of, needs_of
from vae_lab.types import Latents, T

# What lacks one of these does not concern the run, and gets a note only if the user has named it.
QUIET = frozenset(
    ("attributes", "codes", "conditional", "continuous", "ensemble", "hierarchy", "introspective", "plane",
     "unconditional")
)  # fmt: skip


def missing(part: object, generated: Generated, named: bool = False) -> tuple[str, str] | None:
    """Return the first missing capability of a metric or figure and the reason; None if the run has all of them."""
    for name in (*needs_of(part), *(() if named else needs_in_a_set_of(part))):
        reason = CAPABILITIES[name](generated)
        if reason:
            return name, reason
    return None


def usable(
    parts: Mapping[str, T], generated: Generated, called: str = "", named: bool = False
) -> tuple[dict[str, T], list[str]]:
    """Return the metrics or figures whose needs the run meets, and a note for each reason why others are left out.

    Args:
        parts: metrics or figures by name.
        generated: the run that they are checked for.
        called: what a note calls them before their names, ``"figure "``; a score is called by its name alone.
        named: whether the user has named these parts, so that each one that is left out has a note.
    """
    kept: dict[str, T] = {}
    left_out: dict[str, list[str]] = {}
    for name, part in parts.items():
        lacking = missing(part, generated, named)
        if lacking is None:
            kept[name] = part
        elif named or lacking[0] not in QUIET:
            left_out.setdefault(lacking[1], []).append(name)
    return kept, [f"No {called}{', '.join(names)}: {reason}." for reason, names in left_out.items()]


def without_results(figure: object, metrics: Collection[str]) -> list[str]:
    """Return the metrics whose results a figure draws, as it declares in ``draws``, that are not among these."""
    return [name for name in getattr(figure, "draws", ()) if name not in metrics]


def note_without_results(lacking: Mapping[str, Sequence[str]], evaluate: str, before: bool = False) -> list[str]:
    """Return a note about figures that lack results of metrics, with what to type; none if there are no such figures.

    Args:
        lacking: the metrics that each figure lacks.
        evaluate: the command that computes metrics of the run; empty: there is none, as for given images.
        before: whether the run is not scored yet.
    """
    if not lacking:
        return []
    metrics = list(dict.fromkeys(name for names in lacking.values() for name in names))
    command = f"{evaluate} {_word('metrics', metrics)} {_word('figures', list(lacking))}"
    ways = [f"add {', '.join(metrics)} to metrics="] if before or not evaluate else []
    ways += [f"type {command}{' later' if before else ''}"] if evaluate else []
    some, they = ("figures", "they show") if len(lacking) > 1 else ("figure", "it shows")
    return [f"No {some} {', '.join(lacking)}: {they} the results of metrics={','.join(metrics)}; {', or '.join(ways)}."]


def _word(key: str, names: Sequence[str]) -> str:
    return f"{key}={names[0]}" if len(names) == 1 else f"'{key}=[{','.join(names)}]'"


def _masks(generated: Generated) -> str:
    given = generated.data.test.masks is not None
    return "" if given else "the test images have no masks of defects; those of dataset=mvtec have some"


def _images(generated: Generated) -> str:
    kind = generated.data.values.kind
    return "" if kind == "images" else f"the dataset holds {kind}, not images"


def _labels(generated: Generated) -> str:
    if generated.data.attributes:
        return "the dataset has attributes, not labels"
    if generated.data.test.labels is None:
        return "the dataset has no labels"
    if generated.data.pool.labels is None:
        return "only the test examples have labels"
    return "" if len(generated.data.classes) > 1 else "all examples of the dataset have the same label"


def _attributes(generated: Generated) -> str:
    ways = "dataset=faces, attributes.csv in an image folder, or dataset=sprites dataset.source.labels=factors"
    return "" if generated.data.attributes else f"the dataset has no attributes; they come from {ways}"


def _classifier(generated: Generated) -> str:
    return generated.without_classifier


def _features(generated: Generated) -> str:
    if generated.extractor is not None:
        return ""
    no_labels = "the dataset has no labels to train a feature classifier on; features=inception needs none"
    return generated.without_classifier or no_labels


def _classes_of_features(generated: Generated) -> str:
    own = generated.extractor is not None and not generated.extractor.suffix
    reads_attributes = own and generated.data.attributes
    return "the classifier of this dataset reads attributes, not classes" if reads_attributes else ""


def _factors(generated: Generated) -> str:
    if generated.data.factors:
        return ""
    return (
        "the dataset has no known factors; dataset=sprites and dataset=faces have them, and dataset=arrays with "
        "dataset.source.factors="
    )


def _conditional(generated: Generated) -> str:
    return "" if cast(Trained, generated).model.conditional else "the model is not conditional"


def _unconditional(generated: Generated) -> str:
    return "the model is conditional, and noise has no label" if cast(Trained, generated).model.conditional else ""


def _hierarchy(generated: Generated) -> str:
    several = len(cast(Trained, generated).model.latent_shapes) > 1
    return "" if several else "the model has one level of latents"


def _codes(generated: Generated) -> str:
    return "" if code_sizes(cast(Trained, generated).model) else "the model has no discrete codes"


def _continuous(generated: Generated) -> str:
    return "" if _codes(generated) else "the codes of the model are discrete"


def _plane(generated: Generated) -> str:
    planar = cast(Trained, generated).model.latent_shapes in (((1,),), ((2,),))
    return "" if planar else "the latent space has more than two dimensions"


def _code_prior(generated: Generated) -> str:
    fitted = cast(Trained, generated).prior is not None
    return "" if fitted else "no prior was fitted to the codes; type sampler=code_transformer"


def _posterior(generated: Generated) -> str:
    return "" if cast(Trained, generated).objective.variational else "this objective trains no q(z|x)"


def _introspective(generated: Generated) -> str:
    introspective = getattr(cast(Trained, generated).objective, "introspective", False)
    return "" if introspective else "this objective does not train the encoder on decoded images"


def _gaussian(generated: Generated) -> str:
    latents = _trial(cast(Trained, generated))
    one_gaussian = len(latents.q) == 1 and latents.q[0] is not None
    return "" if one_gaussian else "it needs one level of Gaussian posteriors"


def _densities(generated: Generated) -> str:
    trained = cast(Trained, generated)
    if trained.model.deterministic:
        return "the codes of this model are deterministic, so that q(z|x) has no density"
    latents = _trial(trained)
    has_densities = latents.log_q is not None and latents.log_p is not None
    return "" if has_densities else "this model has no densities of its latents"


def _likelihood(generated: Generated) -> str:
    trained = cast(Trained, generated)
    likelihood = trained.model.likelihood
    if not likelihood.discrete:  # A density is defined for every example.
        return ""
    reasons: Iterable[str] = (likelihood.no_likelihood(batch.target) for batch in trained.data.batches("test"))
    return next((reason for reason in reasons if reason), "")


def _ensemble(generated: Generated) -> str:
    several = len(cast(Trained, generated).ensemble) > 1
    return "" if several else "it needs several runs that differ in their seed; type run=<folder of a sweep over seeds>"


def _trial(trained: Trained) -> Latents:
    """Infer the latents of one test example, with densities."""
    batch = next(trained.data.batches("test", 1))
    with torch.inference_mode():
        return trained.model.infer(batch.x, batch.y, 1, trained.noise("trial"), densities=True)


CAPABILITIES: dict[str, Callable[[Generated], str]] = {
    "images": _images,  # The examples are images.
    "masks": _masks,  # The test images have masks of defects.
    "labels": _labels,  # There are class labels, and therefore a classifier if the examples are images.
    "attributes": _attributes,  # Every example has numeric attributes.
    "classifier": _classifier,  # The classifier of the dataset is at hand, or may be trained.
    "features": _features,  # There is a network in whose features images are compared.
    "classes_of_features": _classes_of_features,  # The logits of this network are those of classes.
    "factors": _factors,  # The factors of variation are known.
    "conditional": _conditional,  # The model reads labels or attributes.
    "unconditional": _unconditional,  # The model reads neither labels nor attributes.
    "hierarchy": _hierarchy,  # The model has several levels of latents.
    "codes": _codes,  # The model has discrete codes.
    "continuous": _continuous,  # The model has real codes.
    "plane": _plane,  # The latent space can be drawn as it is.
    "code_prior": _code_prior,  # A prior was fitted to these codes.
    "posterior": _posterior,  # The objective trains q(z|x).
    "introspective": _introspective,  # The objective logs the KL of decoded images.
    "gaussian": _gaussian,  # There is one level of Gaussian posteriors.
    "densities": _densities,  # log q(z|x) and log p(z) can be computed at samples.
    "ensemble": _ensemble,  # There are several models that differ in their seed.
    "likelihood": _likelihood,  # log p(x|z) is a log-likelihood of the test examples.
}
