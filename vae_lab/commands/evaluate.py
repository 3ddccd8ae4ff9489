"""``vae-lab evaluate``: score a finished run again, into the same folder and the same logger's run."""

from contextlib import nullcontext
from pathlib import Path

from rich.console import Console

from vae_lab.config.devices import device_for
from vae_lab.config.make import make
from vae_lab.config.node import Node
from vae_lab.config.schema import EvaluateConfig, check
from vae_lab.errors import UserError
from vae_lab.evaluation.outputs import score, score_sampler
from vae_lab.evaluation.sampled import of_images
from vae_lab.evaluation.trained import Evaluation
from vae_lab.report.loggers import LogContext, close
from vae_lab.report.terminal import print_scores, tracker
from vae_lab.report.titles import title_of
from vae_lab.runs import run_folder
from vae_lab.runs.state import in_use
from vae_lab.scores import Scores


def evaluate(config: Node, console: Console) -> Scores:
    """Compute the metrics and figures that the config asks for; scores of other metrics stay as they were.

    With a sampler: those that concern generated images, under its name.

    Raises:
        UserError: not a finished run, a file of it is damaged, or nothing that is asked for depends on the sampler.
    """
    settings = check(EvaluateConfig, config)
    _refuse_what_no_sampler_changes(settings)
    folder = Path(settings.run)
    # Two evaluations at once would each write results that lack the other's.
    with in_use(folder) if folder.is_dir() else nullcontext():
        return _evaluate(run_folder.load_finished(folder), settings, config, console)


def _evaluate(run: run_folder.Run, settings: EvaluateConfig, config: Node, console: Console) -> Scores:
    run.data_dir = settings.data_dir
    device = device_for(settings.accelerator)
    title = title_of(run.config)
    seed, features = run.config["seed"], make(settings.features)
    evaluation = Evaluation(run.job, run.data, seed, device, title, run.history, tracker(console), features)
    evaluation.scores = Scores(run.scores, run.protocol, run.arrays, run.notes, run.intervals, run.meanings)
    context = LogContext(run.path, run.config, run.environment["run_id"], run.environment["sweep"])
    loggers = [make(run.config["logger"], context)] if run.config["logger"] else []
    failed = True
    try:
        scoring = score_sampler if settings.sampler else score
        scores = scoring(evaluation, config, run.path, loggers, int(run.history[-1]["step"]))
        failed = False
    finally:
        close(loggers, failed)
    run_folder.write_results(run.path, scores)
    print_scores(console, scores, title, run.path)
    return scores


def _refuse_what_no_sampler_changes(settings: EvaluateConfig) -> None:
    asked = [
        f"{group}={','.join(nodes)}"
        for group, nodes in (("metrics", settings.metrics), ("figures", settings.figures))
        if nodes
    ]
    if settings.sampler and asked and not (of_images(settings.metrics) or of_images(settings.figures)):
        raise UserError(
            f"{' '.join(asked)}: none of it depends on the sampler; type metrics=fid, or leave sampler= out"
        )
