"""``vae-lab evaluate``: scores finished runs again; results go to their folders and to their runs in the logger."""

from contextlib import nullcontext
from pathlib import Path

from rich.console import Console

from vae_lab.commands.evaluate_jobs import evaluate_jobs
from vae_lab.config.devices import device_for
from vae_lab.config.make import make
from vae_lab.config.node import Node
from vae_lab.config.schema import check
from vae_lab.config.settings import EvaluateConfig
from vae_lab.errors import UserError
from vae_lab.evaluation.draws import is_code_prior
from vae_lab.evaluation.for_comparison import draw_for_comparison
from vae_lab.evaluation.outputs import score, score_sampler
from vae_lab.evaluation.own_prior import put_own_prior
from vae_lab.evaluation.parts import figures_of, metrics_of, of_samplers
from vae_lab.evaluation.trained import Evaluation
from vae_lab.report.following import tracker
from vae_lab.report.loggers import LogContext, close, upload_advice
from vae_lab.report.terminal import print_plainly, print_scores
from vae_lab.report.titles import title_of
from vae_lab.runs.folders import is_run, is_sweep
from vae_lab.runs.run import Run
from vae_lab.runs.run_folder import load_finished
from vae_lab.runs.state import in_use
from vae_lab.runs.writing import write_results


def evaluate(config: Node, console: Console) -> None:
    """Compute the metrics and figures of the config, of one run or of every finished run of a sweep.

    A run keeps its scores from other metrics. If the config has a sampler, only metrics and figures of generated images
    are computed, and their names contain the name of the sampler.

    Args:
        config: the resolved config of the command.
        console: shows progress and scores.

    Raises:
        UserError: the run is not finished, one of its files is damaged, or no requested metric or figure depends on the
            sampler.
        RunFailed: some runs of a sweep could not be scored; the others were.
    """
    settings = check(EvaluateConfig, config)
    _refuse_what_no_sampler_changes(settings, config)
    folder = Path(settings.run)
    if is_sweep(folder):
        evaluate_jobs(folder, console, lambda job: _evaluate(job, settings, config, console))
    else:
        _evaluate(folder, settings, config, console)


def _evaluate(folder: Path, settings: EvaluateConfig, config: Node, console: Console) -> None:
    # Without the lock, two evaluations at the same time would overwrite each other's results.
    with in_use(folder) if is_run(folder) else nullcontext():
        run = load_finished(folder)
        run.data_dir = settings.data_dir
        title = title_of(run.config, run.data.values.many)
        earlier = dict(run.scores)
        evaluation = _score(run, settings, config, title, console)
        write_results(run.path, evaluation.scores)
    print_scores(console, evaluation.fresh, title, run.path, earlier=earlier)
    print_plainly(console, upload_advice(run.path))


def _score(run: Run, settings: EvaluateConfig, config: Node, title: str, console: Console) -> Evaluation:
    device, seed, features = device_for(settings.accelerator), run.config["seed"], make(settings.features)
    evaluation = Evaluation(run.job, run.data, seed, device, title, run.history, tracker(console), features)
    evaluation.scores = run.saved_scores
    context = LogContext(run.path, run.config, run.environment)
    loggers = [make(run.config["logger"], context)] if run.config["logger"] else []
    failed = True
    try:
        put_own_prior(evaluation, run.config, run.path)
        draw_for_comparison(evaluation, run.path)
        scoring = score_sampler if settings.sampler else score
        scoring(evaluation, config, run.path, loggers, run.steps_done)
        failed = False
    finally:
        close(loggers, failed)
    return evaluation


def _refuse_what_no_sampler_changes(settings: EvaluateConfig, config: Node) -> None:
    parts = {"metrics": metrics_of(config), "figures": figures_of(config)}
    requested = [f"{group}={','.join(chosen)}" for group, chosen in parts.items() if chosen]
    if not settings.sampler or not requested:
        return
    of_prior = is_code_prior(make(config["sampler"]))
    if not any(of_samplers(chosen, of_prior) for chosen in parts.values()):
        raise UserError(
            f"{' '.join(requested)}: none of it depends on the sampler; type metrics=fid, or leave sampler= out"
        )
