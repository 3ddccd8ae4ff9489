"""Decides whether a run trains the classifier of its dataset, which FID and others need where none is at hand.

It is trained once per dataset and kept in the cache. For the first look at a dataset it may still take longer than the
run itself, so that ``classifier=auto`` then leaves out the scores that need it.
"""

from collections.abc import Callable, Mapping
from typing import Literal

import torch
from torch.utils.flop_counter import FlopCounterMode

from vae_lab.config.make import make
from vae_lab.config.node import Node
from vae_lab.evaluation.parts import figures_of, metrics_of
from vae_lab.examples import Data
from vae_lab.features.classifier import (
    can_be_read,
    classifier_features,
    is_at_hand,
    read_from,
    to_be_seen,
    why_unsaved,
)
from vae_lab.features.conv_classifier import ConvClassifier
from vae_lab.report.following import clock
from vae_lab.scores import needs_of
from vae_lab.training.compiled import seconds_of

Choice = Literal[True, False, "auto"]

LATER = "vae-lab evaluate run=<the run> has them, or classifier=true in training"


SHORT = 30.0  # seconds of training a classifier that are always worth its scores


def users(parts: Mapping[str, object], features: object, conditional: bool) -> list[str]:
    """Return the names of the metrics or figures that need the classifier.

    Args:
        parts: metrics or figures by name.
        features: what gives the network in whose features images are compared.
        conditional: whether the model is, without which some parts are left out in any case.
    """
    needs = {"classifier", "features"} if features is classifier_features else {"classifier"}
    without = set() if conditional else {"conditional"}
    return [name for name, part in parts.items() if needs & (found := set(needs_of(part))) and not without & found]


def users_in(config: Node) -> list[str]:
    """Return the names of the metrics and figures of a run's config that need the classifier."""
    features = getattr(make(config["features"]), "func", None)
    return users({**metrics_of(config), **figures_of(config)}, features, bool(config["conditional"]))


def why_without(
    choice: Choice, names: list[str], data: Data, training: Callable[[], float], device: torch.device
) -> tuple[str, str]:
    """Decide whether to train the classifier.

    Args:
        choice: the value of ``classifier=``.
        names: the metrics and figures that need it.
        data: the dataset.
        training: estimates the seconds of training of the run.
        device: the device that the classifier would be trained on.

    Returns:
        Why the classifier is left out, and what the user is told before training; both are empty if it is at hand or
        nothing needs it.
    """
    if data.values.kind != "images" or not names or not can_be_read(data) or is_at_hand(data):
        return "", ""
    about = f"the classifier of {data.name} that they need has not been trained yet"
    unsaved = "" if choice is True else why_unsaved(data)
    if unsaved:
        reason = f"{about}, and {unsaved}; then {LATER}"
        return reason, f"No {', '.join(names)}: {reason}"
    seconds = seconds_to_train(data, device)
    of_run = training() if choice == "auto" else 0.0
    if choice is True or (choice == "auto" and seconds <= max(SHORT, of_run)):
        return "", (f"{', '.join(names)}: {about}; it is trained after the run, in about {clock(max(1, seconds))}, "
                    "once for all runs on these images")  # fmt: skip
    reason = f"{about}, which takes about {clock(max(1, seconds))}"
    longer = f" and the run itself {clock(max(1, of_run))}" if choice == "auto" else ""
    reason = f"{reason}{longer}; {LATER}"
    return reason, f"No {', '.join(names)}: {reason}"


def seconds_to_train(data: Data, device: torch.device) -> float:
    """Return the estimated seconds that training the classifier of a dataset takes."""
    net, images = ConvClassifier(data.x_shape, len(read_from(data))), 8
    with FlopCounterMode(display=False) as counter:
        net(torch.zeros(images, *data.x_shape))[1].sum().backward()
    return seconds_of(counter.get_total_flops() / images, to_be_seen(data), 64, device)
