"""Builds the metrics and figures of a config, and refuses a class that is neither."""

import inspect
from collections.abc import Callable
from functools import cache, partial
from typing import Any, get_type_hints

from torch import Tensor

from vae_lab.config.help import options
from vae_lab.config.make import make
from vae_lab.config.node import Node
from vae_lab.config.reads import accepted
from vae_lab.errors import UserError
from vae_lab.figures.style import KEY, Style
from vae_lab.scores import Scores


def metrics_of(config: Node) -> dict[str, Any]:
    """Return the metrics of a config by name.

    A metric whose constructor has a parameter ``scores`` receives the anomaly scores that ``scores=`` names.

    Raises:
        UserError: one of them cannot be built, or is not a metric, or none of them reads the anomaly scores.
    """
    scores = anomaly_scores_of(config)
    given = {"scores": scores} if scores else {}
    metrics = _built(config, "metrics", lambda result: result in (Scores, Any, None), given)
    if scores and metrics and not any(accepted(config["metrics"][name]["_target_"], given) for name in metrics):
        raise UserError(f"scores=[{','.join(scores)}] has no effect, since no metric reads it; add ood to metrics=")
    return metrics


def anomaly_scores_of(config: Node) -> dict[str, Any]:
    """Return the anomaly scores of a config by name; none where ``scores=`` was not typed.

    Raises:
        UserError: one of them cannot be built.
    """
    return _built({"scores": config.get("scores") or {}}, "scores", lambda result: result in (Tensor, Any, None))


def figures_of(config: Node) -> dict[str, Any]:
    """Return the figures of a config by name.

    Raises:
        UserError: one of them cannot be built, or is not a figure.
    """
    return _built(config, "figures", lambda result: result is not Scores)


def figures_named(config: Node) -> bool:
    """Whether the user has named the figures, one or a list of them, so that one that cannot be drawn is reported.

    Of a set such as ``figures=default``, those are drawn that suit the run.
    """
    choice = config.get("choices", {}).get("figures")  # None: a list
    return choice is None or choice in config["figures"]


def metrics_named(config: Node) -> bool:
    """Whether the user has named every metric, one or a list of them, so that one that is left out is reported.

    A set such as ``metrics=fast``, alone or in a list, has metrics for several kinds of models. Those are computed that
    suit the run.
    """
    choice, metrics = config.get("choices", {}).get("metrics"), config["metrics"].keys()
    return choice in metrics if choice is not None else not any(members <= metrics for members in _sets_of_metrics())


def scores_named(config: Node) -> bool:
    """Whether the user has named every anomaly score, so that one that makes no sense for the run is refused."""
    choice = config.get("choices", {}).get("scores")  # None: a list
    return choice is None or choice in config["scores"]


@cache
def _sets_of_metrics() -> list[set[str]]:
    """The metrics of every option that is a set of them. Sets of sets are left out: they contain one of these."""
    import yaml

    files = {name: yaml.safe_load(path.read_text(encoding="utf-8")) for name, path in options("metrics").items()}
    single = {name for name, node in files.items() if node and "defaults" not in node}
    members = (set(node["defaults"]) for node in files.values() if node and "defaults" in node)
    return [names for names in members if names <= single]


def style_of(config: Node) -> Style:
    """Return the style in which the figures of a config are drawn; configs of earlier versions have none."""
    node = config["figures"].get(KEY)
    return make(node) if node else Style()


def of_samplers(parts: dict[str, Any], prior: bool) -> dict[str, Any]:
    """Return those metrics or figures that depend on the sampler: of generated images, and of a prior over codes.

    Args:
        parts: metrics or figures by name.
        prior: whether the sampler is a prior over codes, on which also those with ``of_prior`` depend.
    """
    return {
        name: part
        for name, part in parts.items()
        if getattr(part, "of_images", False)
        or "code_prior" in getattr(part, "needs", ())
        or (prior and getattr(part, "of_prior", False))
    }


def _built(config: Node, group: str, fits: Callable[[object], bool], given: Node | None = None) -> dict[str, Any]:
    parts = {}
    for name, node in config[group].items():
        if not node or (group, name) == ("figures", KEY):  # an entry set to null is left out; a style is no figure
            continue
        try:
            parts[name] = make(node, **(accepted(node["_target_"], given) if given else {}))
        except UserError as why:
            raise UserError(f"{group}.{name}: {why}") from why
        if not _takes(parts[name], 2 if group == "scores" else 1) or not fits(_result_of(parts[name])):
            kind = group.removesuffix("s")
            raise UserError(f"{group}.{name}: {node['_target_']} is not a {kind}; type {group}=<option> to choose one")
    return parts


def _takes(part: object, arguments: int) -> bool:
    """Whether a part can be called with that many arguments."""
    try:
        inspect.signature(part).bind(*[None] * arguments)  # type: ignore[arg-type]  # TypeError if it cannot be called
        return True
    except TypeError:
        return False


def _result_of(part: object) -> object:
    """Return the annotated type of the result of a call; None if there is no annotation, or it cannot be read."""
    called = part.func if isinstance(part, partial) else part
    function = called if inspect.isfunction(called) else type(called).__call__  # type: ignore[operator]
    try:
        return get_type_hints(function).get("return")
    except (NameError, TypeError):  # a name that is imported for type checkers only; a method of C
        return None
