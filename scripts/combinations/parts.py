"""Tries every metric, figure and sampler with a finished run: each works, or says in one line why not."""

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
import yaml

from combinations.composing import raw, smaller
from combinations.trying import Result, wrong_refusal
from vae_lab.config.help import groups
from vae_lab.config.make import make
from vae_lab.config.references import resolved
from vae_lab.errors import UserError, one_line
from vae_lab.evaluation.needs import missing, without_results
from vae_lab.evaluation.trained import Evaluation

QUICK = {"samples": 20, "images": 8, "bootstrap": 2, "draws": 2, "votes": 8, "max_iter": 5, "train_images": 60,
         "train": 60, "test": 40}  # fmt: skip
OTHERWISE = {"dci": {"trees": "forest"}}  # boosted trees take a minute


def nodes(group: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The settings of the metrics or figures of ``conf/`` that are no lists of others."""
    for name, path in groups()[group].items():
        node = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get(name)
        if isinstance(node, dict):
            yield name, node


def single(group: str) -> Iterator[tuple[str, Any]]:
    """These metrics or figures, made with small numbers."""
    for name, node in nodes(group):
        small = {key: smaller(value, key, QUICK) for key, value in node.items()} | OTHERWISE.get(name, {})
        yield name, make(resolved(small, raw()))


def metrics(evaluation: Evaluation) -> Iterator[Result]:
    """Every metric of the run."""
    for name, metric in single("metrics"):
        yield tried(
            "metric", name, partial(missing, metric, evaluation), partial(_wrong_scores, evaluation, name, metric)
        )


def _wrong_scores(evaluation: Evaluation, name: str, metric: Any) -> str:
    """Compute a metric; what is wrong with its scores."""
    before = set(evaluation.scores.values)
    evaluation.run({name: metric})
    values = {key: value for key, value in evaluation.scores.values.items() if key not in before}
    bad = [key for key, value in values.items() if not math.isfinite(value)]
    return f"{', '.join(bad)} is not finite" if bad else ""


def figures(evaluation: Evaluation) -> Iterator[Result]:
    """Every figure of the run, after the metrics whose results some of them show."""
    for name, figure in single("figures"):
        yield tried("figure", name, partial(_lacking, figure, evaluation), partial(_undrawn, figure, evaluation))


def _lacking(figure: Any, evaluation: Evaluation) -> tuple[str, str] | None:
    """What a figure needs and this run does not have, with the reason."""
    computed = {entry.partition("_inception")[0] for entry in evaluation.scores.protocol}
    lacking = without_results(figure, computed)
    reason = f"it shows the results of metrics={','.join(lacking)}, which this run does not have"
    return missing(figure, evaluation) or (("results", reason) if lacking else None)


def _undrawn(figure: Any, evaluation: Evaluation) -> str:
    """Draw a figure; why there is none, or an empty string."""
    if figure(evaluation) is not None:
        return ""
    return f"it needs {figure.requires}" if hasattr(figure, "requires") else "it draws nothing and does not say why"


def tried(group: str, name: str, lacks: Callable[[], Any], run: Callable[[], str]) -> Result:
    """The result of a metric or a figure, whose reason for not being there is one clause of a note."""
    try:
        if reason := lacks():
            return Result(group, name, refused=reason[1])
        with torch.inference_mode():
            wrong = run()
        if wrong.startswith("it needs "):
            return Result(group, name, refused=wrong)
        return Result(group, name, fault=wrong)
    except UserError as why:
        return Result(group, name, refused=str(why), fault=wrong_refusal(str(why)))
    except Exception as why:
        return Result(group, name, fault=one_line(f"{type(why).__name__}: {why}"))
