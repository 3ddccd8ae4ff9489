"""``vae-lab explore``: writes one HTML page in which the latent space of a finished run is walked through."""

import webbrowser
from contextlib import nullcontext
from pathlib import Path

import torch
from rich.console import Console

from vae_lab.config.make import make
from vae_lab.config.node import Node
from vae_lab.config.paths import expanded
from vae_lab.config.schema import check
from vae_lab.config.settings_of_use import ExploreConfig
from vae_lab.errors import UserError
from vae_lab.evaluation.own_prior import put_own_prior
from vae_lab.evaluation.trained import Evaluation
from vae_lab.explorer.attributes import attributes_for_page
from vae_lab.explorer.material import Material, material_of
from vae_lab.explorer.page import page_of
from vae_lab.report.following import tracker
from vae_lab.report.loggers import LogContext, close, log_page, upload_advice
from vae_lab.report.terminal import print_plainly
from vae_lab.report.titles import title_of
from vae_lab.runs.content import EXPLORER
from vae_lab.runs.folders import is_run
from vae_lab.runs.run import Run
from vae_lab.runs.run_folder import load_finished
from vae_lab.runs.state import in_use
from vae_lab.system.files import write_atomically


def explore(config: Node, console: Console) -> None:
    """Write ``explorer.html`` into the run folder or to ``out``, and log it to the run's logger.

    Args:
        config: the resolved config of the command.
        console: shows what was written.

    Raises:
        UserError: the run is not finished or generates no images, the page would show other images than the model, or
            the file cannot be written.
    """
    settings = check(ExploreConfig, config)
    folder = Path(settings.run)
    with in_use(folder) if is_run(folder) else nullcontext():
        run = load_finished(folder)
        run.data_dir = settings.data_dir
        path = expanded(settings.out) if settings.out else run.path / EXPLORER
        if path.suffix != ".html":
            raise UserError(f"out={settings.out}: the page is an HTML file; type out={path}.html")
        material = _material(run, settings, console)
        text = page_of(material)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with write_atomically(path) as file:
                file.write(text)
        except OSError as why:
            raise UserError(f"{path} cannot be written ({why.strerror}); type out=<a file>.html") from why
        _log(run, path)
    console.print(_written(path, len(text), material), markup=False, highlight=False, soft_wrap=True)
    print_plainly(console, upload_advice(run.path))
    if settings.open:
        webbrowser.open(path.absolute().as_uri())


def _material(run: Run, settings: ExploreConfig, console: Console) -> Material:
    title, device = title_of(run.config, run.data.values.many), torch.device("cpu")
    evaluation = Evaluation(run.job, run.data, run.config["seed"], device, title, run.history, tracker(console))
    put_own_prior(evaluation, run.config, run.path, fit=False)
    material = material_of(evaluation, settings.points, settings.weights)
    material.attributes = attributes_for_page(evaluation) if material.program else None
    return material


def _log(run: Run, path: Path) -> None:
    if not run.config["logger"]:
        return
    logger = make(run.config["logger"], LogContext(run.path, run.config, run.environment))
    failed = True
    try:
        log_page(logger, "explorer", path, run.steps_done)
        failed = False
    finally:
        close([logger], failed)


def _written(path: Path, size: int, material: Material) -> str:
    """What was written, how large it is, and how exact."""
    about = f"{path} ({size / 1e6:.1f} MB; {len(material.codes):,} test images"
    if material.prepared:
        reason = material.prepared["reason"]
        return (
            f"{about})\nThe decoder cannot run in a page: {reason}. The page shows images that were decoded beforehand."
        )
    assert material.program is not None
    checked = f"the page's pixels differ from the model's by at most {255 * material.worst:.2f}/255 on 16 codes"
    return f"{about}, a decoder of {material.program.parameters:,} parameters; {checked})"
