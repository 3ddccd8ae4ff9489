"""What a metric or a figure needs of a run, and the sentence that says why a run does not have it.

A metric declares capabilities by name, ``needs = ("images", "labels")``, and they are checked here, in that order,
before it is called: its code can rely on them.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import torch

from vae_lab.scores import Generated, Trained, needs_of

QUIET = {"conditional"}  # a metric that does not concern a run is left out without a note


def missing(part: object, made: Generated) -> tuple[str, str] | None:
    """The first capability that a metric or figure needs and the run does not have, with the reason; else None."""
    for name in needs_of(part):
        reason = CAPABILITIES[name](made)
        if reason:
            return name, reason
    return None


def usable(parts: Mapping[str, Any], made: Generated) -> tuple[dict[str, Any], list[str]]:
    """The metrics or figures that the run can have, and a note for each reason why others are left out."""
    found: dict[str, Any] = {}
    refused: dict[str, list[str]] = {}
    for name, part in parts.items():
        lacking = missing(part, made)
        if lacking is None:
            found[name] = part
        elif lacking[0] not in QUIET:
            refused.setdefault(lacking[1], []).append(name)
    return found, [f"No {', '.join(names)}: {reason}." for reason, names in refused.items()]


def _images(made: Generated) -> str:
    kind = made.data.values.kind
    return "" if kind == "images" else f"the dataset holds {kind}, not images"


def _labels(made: Generated) -> str:
    if made.data.attributes:
        return "the dataset has attributes, not labels"
    if made.data.test.labels is None:
        return "the dataset has no labels"
    return "" if len(made.data.classes) > 1 else "all examples of the dataset have the same label"


def _features(made: Generated) -> str:
    if made.extractor is not None:
        return ""
    return "the dataset has no labels to train a feature classifier on; features=inception needs none"


def _factors(made: Generated) -> str:
    return "" if made.data.factors else "the dataset has no known factors; dataset=sprites has them"


def _conditional(made: Generated) -> str:
    return "" if cast(Trained, made).model.conditional else "the model is not conditional"


def _posterior(made: Generated) -> str:
    return "" if cast(Trained, made).objective.variational else "this objective trains no q(z|x)"


def _gaussian(made: Generated) -> str:
    latents = _trial(cast(Trained, made))
    one = len(latents.q) == 1 and latents.q[0] is not None
    return "" if one else "it needs one level of Gaussian posteriors"


def _densities(made: Generated) -> str:
    trained = cast(Trained, made)
    if trained.model.deterministic:
        return "the codes of this model are deterministic, so that q(z|x) has no density"
    latents = _trial(trained)
    known = latents.log_q is not None and latents.log_p is not None
    return "" if known else "this model has no densities of its latents"


def _likelihood(made: Generated) -> str:
    trained = cast(Trained, made)
    likelihood = trained.model.likelihood
    if not likelihood.discrete:  # a density of any example
        return ""
    reasons: Iterable[str] = (likelihood.no_likelihood(batch.target) for batch in trained.data.batches("test"))
    return next((reason for reason in reasons if reason), "")


def _trial(trained: Trained) -> Any:
    """Latents of the first test example, with densities."""
    batch = next(trained.data.batches("test", 1))
    with torch.inference_mode():
        return trained.model.infer(batch.x, batch.y, 1, trained.noise("trial"), densities=True)


CAPABILITIES: dict[str, Callable[[Generated], str]] = {
    "images": _images,  # examples are images
    "labels": _labels,  # class labels, and so a classifier of images
    "features": _features,  # a network in whose features images are compared
    "factors": _factors,  # known factors of variation
    "conditional": _conditional,  # the model reads labels or attributes
    "posterior": _posterior,  # the objective trains q(z|x)
    "gaussian": _gaussian,  # one level of Gaussian posteriors
    "densities": _densities,  # log q(z|x) and log p(z) at samples
    "likelihood": _likelihood,  # log p(x|z) is a log-likelihood of the test examples
}
