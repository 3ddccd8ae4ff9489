"""The weights of an objective's two terms, ``beta`` or ``k1`` and ``k2``, and the schedule of the KL term.

k1 weighs the reconstruction term and k2 the KL term; beta stands for k1=1, k2=beta.
"""

from collections.abc import Mapping

from omegaconf import DictConfig, open_dict

from vae_lab.config.node import Node, shown
from vae_lab.errors import UserError

WEIGHTS = ("beta", "k1", "k2")


def has_kl_weight(objective: object) -> bool:
    """Return whether an objective's config node weighs a KL term, which its key ``k2`` shows."""
    return isinstance(objective, Mapping) and "k2" in objective


def has_schedule(objective: object) -> bool:
    """Return whether an objective's KL term follows ``beta_schedule``, which its key ``schedule`` shows."""
    return isinstance(objective, Mapping) and "schedule" in objective


def settle_weights(config: DictConfig, typed: set[str]) -> None:
    """Make k1, k2 and beta consistent, in place.

    This has to happen before interpolations are resolved, because objectives refer to the weights as ``${k1}``.

    Args:
        config: a composed config of ``vae-lab train``.
        typed: the keys that the user typed.

    Raises:
        UserError: see :func:`refuse_unread_schedule` and :func:`resolve_weights`.
    """
    refuse_unread_schedule(config.objective, typed)
    weights: Node = {key: config.get(key) for key in WEIGHTS}
    with open_dict(config):
        config.update(resolve_weights(weights, typed, weighs_kl=has_kl_weight(config.objective)))


def refuse_unread_schedule(objective: object, typed: set[str]) -> None:
    """Refuse a ``beta_schedule`` that was typed for an objective that does not read it.

    Raises:
        UserError: names the key that was typed.
    """
    for key in sorted(typed):
        if key.partition(".")[0] == "beta_schedule" and not has_schedule(objective):
            raise UserError(
                f"{key}: this objective has no KL term that follows beta_schedule; leave {key} out, or type "
                "objective=elbo"
            )


def resolve_weights(weights: Node, typed: set[str], weighs_kl: bool) -> Node:
    """Return k1, k2 and beta, filled in so that all three are consistent.

    Args:
        weights: the three values as they were composed.
        typed: the keys that the user typed.
        weighs_kl: whether the objective has a KL term.

    Raises:
        UserError: both forms were given, both weights are 0, or a weight was typed for an objective without a KL term.
    """
    beta, k1, k2 = weights["beta"], weights["k1"], weights["k2"]
    unused = [key for key in sorted(typed) if key in weights]
    if unused and not weighs_kl:
        raise UserError(
            f"{unused[0]}={shown(weights[unused[0]])}: this objective has no KL term that {unused[0]} weighs; leave "
            f"{unused[0]} out, or see the objective's settings with vae-lab train … --cfg job"
        )
    both = beta not in (None, 1) and not (k1 is None and k2 is None)
    saved = both and k1 and k2 is not None and beta == k2 / k1  # the config.yaml of a run holds all three
    if (both and not saved) or ("beta" in typed and not (k1 is None and k2 is None)):
        raise UserError(
            f"beta={shown(beta)} together with k1={shown(k1)} k2={shown(k2)}: give either beta (k1=1, k2=beta) "
            "or k1 and k2"
        )
    if k1 is None and k2 is None:
        k1, k2 = 1.0, 1.0 if beta is None else beta
    k1, k2 = (1.0 if k is None else k for k in (k1, k2))
    if not all(isinstance(k, int | float) and not isinstance(k, bool) and k >= 0 for k in (k1, k2)):
        return weights  # the schema's check names the invalid value
    if k1 == k2 == 0:
        raise UserError("k1=0 k2=0 leaves nothing to minimise; give at least one of them a positive value")
    return {"k1": float(k1), "k2": float(k2), "beta": k2 / k1 if k1 > 0 else None}
