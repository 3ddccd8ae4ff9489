"""From a node of a resolved config to the object it names, without torch."""

from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate

from vae_lab.config.renamed import current
from vae_lab.errors import UserError

Node = dict[str, Any]


def make(node: Node, *args: Any, **more: Any) -> Any:
    """What a node with ``_target_`` describes.

    Raises:
        UserError: raised by a constructor, or the node does not fit it.
    """
    try:
        return instantiate(current(node), *args, **more)
    except InstantiationException as error:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, UserError):
                raise cause from error
            cause = cause.__cause__
        raise UserError(f"{node.get('_target_')}: {' '.join(str(error).split())[:300]}") from error


def make_all(nodes: Node) -> dict[str, Any]:
    """A mapping of nodes; entries set to null are left out."""
    return {name: make(node) for name, node in nodes.items() if node}
