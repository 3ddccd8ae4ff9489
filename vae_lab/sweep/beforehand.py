"""Finds before the first job of a sweep what would otherwise end every one of its jobs with the same message."""

from collections.abc import Sequence
from contextlib import suppress

from vae_lab.config.node import Node
from vae_lab.config.trust import targets_in, trusting
from vae_lab.errors import UserError


def refuse_unsaved_classifier(configs: Sequence[Node]) -> None:
    """Refuse jobs whose classifier the user asked for, if it has to be trained and could not be saved.

    Args:
        configs: the configs of the jobs.

    Raises:
        Unwritable: the cache cannot be written to.
    """
    asking = [config for config in configs if config["classifier"] is True]
    if not asking:
        return
    from vae_lab.data.cache import Unwritable, refuse_unwritable  # imports torch, which a plan need not wait for
    from vae_lab.features.classifier import FOLDER

    try:
        refuse_unwritable(FOLDER)
    except Unwritable:
        for config in {str(config["dataset"]): config for config in asking}.values():
            _refuse(config)


def _refuse(config: Node) -> None:
    from vae_lab.evaluation.own_classifier import users_in
    from vae_lab.features.classifier import classifier_beforehand
    from vae_lab.runs.build import make_data

    needed, data = [], None
    with trusting(targets_in(config)), suppress(UserError):  # what else is wrong with it, the job itself says
        needed, data = users_in(config), make_data(config)
    if data is not None and needed and data.values.kind == "images":
        classifier_beforehand(data)
