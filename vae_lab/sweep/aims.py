"""Checks before any training that the jobs of a search will have the scores that it optimises."""

from collections.abc import Iterable, Sequence

from vae_lab.compare.protocols import metric_of
from vae_lab.config.help import groups
from vae_lab.config.node import Node
from vae_lab.errors import UserError


def refuse_uncomputed(aims: Sequence[tuple[str, str]], metrics: Iterable[str]) -> None:
    """Refuse a search for a score whose metric is not chosen; scores of metrics of other packages are not known here.

    Args:
        aims: the scores, each with 'min' or 'max'.
        metrics: the names of the metrics that the jobs compute.

    Raises:
        UserError: names the score and what to type.
    """
    import yaml

    chosen, files = list(metrics), groups()["metrics"]
    fast = yaml.safe_load(files["fast"].read_text(encoding="utf-8"))["defaults"]
    options: Node = dict.fromkeys(files)
    for score, _ in aims:
        metric = metric_of(score, options)
        if metric is not None and metric not in chosen:
            advice = "metrics=fast" if metric in fast else f"metrics=[fast,{metric}]"
            raise UserError(f"the search needs {score}, which metrics= does not compute; type {advice}")
