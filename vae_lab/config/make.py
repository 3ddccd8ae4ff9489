"""Builds the objects that the nodes of a resolved config describe, without importing torch."""

from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf.errors import OmegaConfBaseException

from vae_lab.config.node import Node
from vae_lab.config.renamed import current
from vae_lab.config.trust import refuse_untrusted
from vae_lab.errors import DoesNotFit, UserError


def make(node: Node, *args: object, **more: object) -> Any:
    """Build the object that a node with ``_target_`` describes; further arguments are passed to its constructor.

    Raises:
        UserError: a constructor raised it, the node does not fit the constructor, or it names something that
            :mod:`vae_lab.config.trust` does not allow.
    """
    node = current(node)
    refuse_untrusted(node)
    try:
        return instantiate(node, *args, **more)
    except (InstantiationException, OmegaConfBaseException, TypeError) as error:  # the others are Hydra's own
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, UserError):
                raise cause from error
            cause = cause.__cause__
        raise DoesNotFit(f"{node.get('_target_')}: {' '.join(str(error).split())[:300]}") from error
