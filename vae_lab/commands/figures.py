"""``vae-lab figures``: draws figures of finished runs again, from their weights and scores; nothing is scored."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import cast

from rich.console import Console

from vae_lab.commands.evaluate_jobs import evaluate_jobs
from vae_lab.config.composing import key_of
from vae_lab.config.devices import device_for
from vae_lab.config.make import make
from vae_lab.config.node import Node
from vae_lab.config.schema import check
from vae_lab.config.settings import FiguresConfig
from vae_lab.errors import UserError
from vae_lab.evaluation.drawing import Drawn, draw
from vae_lab.evaluation.fitting import earlier_fit
from vae_lab.evaluation.own_prior import put_own_prior
from vae_lab.evaluation.parts import figures_named, figures_of, of_samplers, style_of
from vae_lab.evaluation.sampled import Sampled
from vae_lab.evaluation.trained import Evaluation
from vae_lab.examples import Data
from vae_lab.report.following import tracker
from vae_lab.report.terminal import print_notes
from vae_lab.report.titles import title_of
from vae_lab.runs.described_data import DescribedData
from vae_lab.runs.folders import is_run, is_sweep
from vae_lab.runs.run import Run
from vae_lab.runs.run_folder import load_finished
from vae_lab.runs.state import in_use


def draw_figures(config: Node, words: Sequence[str], console: Console) -> None:
    """Draw the figures of the config, of one run or of every finished run of a sweep.

    The seeds are those of the run, so that a figure shows the same draws as before. Settings of a figure, and of the
    style, are those of the run unless the user typed them. Files of figures that are not drawn stay as they are.

    Args:
        config: the resolved config of the command.
        words: the overrides that the user typed.
        console: shows the files, and the figures that cannot be drawn with the reason.

    Raises:
        UserError: the run is not finished, one of its files is damaged, or no figure can be drawn.
        RunFailed: no figure of some runs of a sweep can be drawn.
    """
    settings = check(FiguresConfig, config)
    if not figures_of(config):
        raise UserError("figures=none leaves nothing to draw; type figures=[samples,curves]")
    typed, named = {key_of(word) for word in words}, figures_named(config)
    folder = Path(settings.run)
    if is_sweep(folder):
        evaluate_jobs(folder, console, lambda job: _draw(job, settings, typed, named, console), "figures", "drawn")
    else:
        _draw(folder, settings, typed, named, console)


def _draw(folder: Path, settings: FiguresConfig, typed: Collection[str], named: bool, console: Console) -> None:
    with in_use(folder) if is_run(folder) else nullcontext():
        run = load_finished(folder)
        run.data_dir = settings.data_dir
        nodes = {"figures": _with_settings_of(run.config["figures"] or {}, settings.figures, typed)}
        plots, style = figures_of(nodes), style_of(nodes)
        evaluation = _evaluation(run, settings, console)
        if not put_own_prior(evaluation, run.config, run.path, fit=False):
            raise UserError(
                f"run={folder}: the prior of its codes in {run.path / 'samplers'} is missing or belongs to other "
                f"weights; type vae-lab evaluate run={folder}"
            )
        drawn = draw(evaluation, plots, style, run.path, named=named)
        for name, sampled in _samplers(evaluation, run) if of_samplers(plots, prior=True) else ():
            if isinstance(sampled, str):
                more = Drawn(notes=[f"No figures of sampler={name}: {sampled}."])
            else:
                chosen = of_samplers(plots, sampled.prior is not None)
                more = draw(sampled, chosen, style, run.path, suffix=f"_{name}", named=named)
            drawn = Drawn(drawn.files + more.files, list(dict.fromkeys(drawn.notes + more.notes)))
    if not drawn.files:
        raise UserError(f"run={folder}: nothing can be drawn. {' '.join(drawn.notes)}")
    print_notes(console, drawn.notes)
    files = ", ".join(path.name for path in drawn.files)
    console.print(f"Drawn in {run.path / 'figures'}: {files}", markup=False, highlight=False, soft_wrap=True)


def _with_settings_of(saved: Node, figures: Node, typed: Collection[str]) -> Node:
    """Return the nodes of figures and style with the settings that the run used, except those that were typed."""

    def merged(name: str, node: Node) -> Node:
        own = saved.get(name) or {}
        if own.get("_target_") != node["_target_"] or f"figures.{name}" in typed:
            return node
        kept = {key: value for key, value in own.items() if key in node and f"figures.{name}.{key}" not in typed}
        return {**node, **kept}

    return {name: merged(name, node) for name, node in figures.items() if node}


def _evaluation(run: Run, settings: FiguresConfig, console: Console) -> Evaluation:
    """The run with its scores; its examples are read when a figure shows them."""
    data = DescribedData(run)
    device, title = device_for(settings.accelerator), title_of(run.config, data.values.many)
    seed, features = run.config["seed"], make(settings.features)
    evaluation = Evaluation(run.job, cast(Data, data), seed, device, title, run.history, tracker(console), features)
    evaluation.scores = run.saved_scores
    return evaluation


def _samplers(evaluation: Evaluation, run: Run) -> Iterator[tuple[str, Sampled | str]]:
    """The samplers that were fitted to the run's codes and scored; of one that is lost, the reason."""
    for name in run.protocol.get("samplers", {}):
        fit = earlier_fit(evaluation, name, run.path)
        again = f"its file in {run.path / 'samplers'} is missing or belongs to other weights; type vae-lab evaluate "
        yield name, Sampled(evaluation, *fit, name) if fit else f"{again}run={run.path} sampler={name}"
