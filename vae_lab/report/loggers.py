"""Loggers that receive metrics in addition to ``metrics.csv``: Weights & Biases and TensorBoard.

Every logger has a factory in this module and a YAML in ``conf/logger``.
"""

import contextlib
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from netrc import NetrcParseError, netrc
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlparse

from pytorch_lightning.loggers import Logger, TensorBoardLogger, WandbLogger

from vae_lab.config.names import short_name
from vae_lab.config.node import Node
from vae_lab.errors import UserError
from vae_lab.scores import Scores

if TYPE_CHECKING:
    import wandb

_LONGEST_NAME, _LONGEST_TAG = 120, 50  # bytes; W&B takes names of up to 128 characters, and tags of up to 64
Mode = Literal["auto", "online", "offline"]


@dataclass
class LogContext:
    """The facts about a run that its logger needs."""

    run_dir: Path
    config: Node  # the resolved config
    environment: Node  # the content of environment.json
    steps: int | None = None  # optimizer steps before training starts or continues; None: there is no training

    @property
    def run_id(self) -> str:
        """The id of the run in W&B, which stays the same when the run is resumed or evaluated."""
        return str(self.environment["run_id"])

    @property
    def sweep(self) -> str | None:
        """The sweep that the run is a job of."""
        return self.environment.get("sweep")


def hyperparameters(context: LogContext) -> Node:
    """The settings of a run as W&B and TensorBoard show them in tables, and group and filter runs by them.

    A group has its option's name, ``model: cnn``, and what the option consists of stands under ``options``, as in
    ``options.model.net.width``. The number of parameters and the git commit of vae-lab are added.

    >>> config = {"beta": 4, "model": {"_target_": "a.VAE", "width": 8}, "choices": {"model": "cnn"}}
    >>> shown = hyperparameters(LogContext(Path("run"), config, {"parameters": 100, "git_commit": None}))
    >>> shown.pop("options")
    {'model': {'_target_': 'a.VAE', 'width': 8}}
    >>> shown
    {'beta': 4, 'model': 'cnn', 'parameters': 100, 'git_commit': None}
    """
    chosen = {group: name for group, name in context.config.get("choices", {}).items() if name is not None}
    settings = {key: value for key, value in context.config.items() if key not in ("choices", *chosen)}
    facts = {key: context.environment.get(key) for key in ("parameters", "git_commit")}
    options = {group: context.config[group] for group in chosen if context.config.get(group)}
    return {**settings, **chosen, **facts, "options": options}


def wandb_logger(
    context: LogContext, project: str, mode: Mode, name: str | None, group: str | None, tags: list[str]
) -> Logger:
    """A logger for Weights & Biases.

    Args:
        context: the run.
        project: the W&B project.
        mode: "auto" logs online if the user is logged in and W&B can be reached, and otherwise offline, for which
            neither an account nor a network is needed.
        name: the name of the W&B run; None: the name of the run folder.
        group: the group of the W&B run; None: the sweep of the run.
        tags: tags in addition to the names of model, objective, likelihood and dataset.

    Raises:
        UserError: ``mode`` is "online", and W&B cannot be reached.
    """
    import wandb

    settings = hyperparameters(context)
    groups = (settings.get(group) for group in ("model", "objective", "likelihood", "dataset"))
    automatic = [name for name in groups if isinstance(name, str)]  # configs of early versions have no names
    start = partial(
        wandb.init,
        project=project,
        name=short_name(name or context.run_dir.name, _LONGEST_NAME),
        group=short_name(group or context.sweep or "", _LONGEST_NAME) or None,
        tags=[short_name(tag, _LONGEST_TAG) for tag in (*automatic, *tags)],
        id=context.run_id,
        dir=str(context.run_dir),
        resume="allow",
    )
    with _as_typed(context):
        run = _start_run(start, mode)
    run.define_metric("trainer/global_step")
    run.define_metric("*", step_metric="trainer/global_step", step_sync=True)
    logger = WandbLogger(experiment=run)
    logger.log_hyperparams(settings)
    return logger


@contextmanager
def _as_typed(context: LogContext) -> Iterator[None]:
    """Let W&B record the command that trains the run: it reads ``sys.argv``, which holds the words for Hydra."""
    before, command = sys.argv, context.environment.get("command")
    if context.steps is not None and command:
        sys.argv = [before[0], *shlex.split(command)[1:]]
    try:
        yield
    finally:
        sys.argv = before


def _start_run(start: "Callable[..., wandb.Run]", mode: Mode) -> "wandb.Run":
    """Call ``start`` with the mode that the config and the environment ask for, and with settings."""
    import wandb

    # "create_new" lets several W&B runs be open in one process, as for jobs that are trained as one stack.
    settings = partial(wandb.Settings, silent=True, console="off", reinit="create_new")
    from_environment = os.environ.get("WANDB_MODE", "online")  # W&B's variable: online, offline or disabled
    if mode == "online" or (mode == "auto" and from_environment == "online" and _logged_in()):
        try:
            return start(mode="online", settings=settings(init_timeout=20))
        except Exception as why:  # there is no network, the key is not valid any more, or the server is down
            if mode == "online":
                raise UserError(
                    f"logger.mode=online: W&B cannot be reached ({' '.join(str(why).split())[:120]}); log in with "
                    "`wandb login`, or type logger.mode=offline"
                ) from why
    return start(mode="disabled" if from_environment == "disabled" else "offline", settings=settings())


def _logged_in() -> bool:
    """Whether an API key is available. The wandb package is not asked, because it may use the network or prompt."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    with contextlib.suppress(OSError, NetrcParseError):
        return netrc(os.environ.get("NETRC")).authenticators(host) is not None
    return False


def tensorboard_logger(context: LogContext) -> Logger:
    """A logger that writes TensorBoard files to ``<run>/tensorboard``.

    Of a resumed run, TensorBoard hides what was logged after its last checkpoint, because that is logged again.

    Raises:
        UserError: the package tensorboard is not installed.
    """
    try:
        logger = TensorBoardLogger(
            str(context.run_dir),
            name="tensorboard",
            version="",
            default_hp_metric=False,
            purge_step=None if context.steps is None else context.steps + 1,
        )
    except ModuleNotFoundError as why:
        raise UserError("logger=tensorboard needs the package tensorboard: pip install 'vae-lab[tensorboard]'") from why
    logger.log_hyperparams(hyperparameters(context))
    return logger


def log_scores(logger: Logger, scores: Scores, step: int) -> None:
    """Log final scores; on W&B they also appear in the table of runs.

    Those of the validation set go to that table alone: ``val/elbo`` is also the name of a curve of training, to which
    the best checkpoint would add a point at the last step.
    """
    if isinstance(logger, WandbLogger):
        logger.experiment.summary.update(scores.values)
    curves = {name: value for name, value in scores.values.items() if not name.startswith("val/")}
    logger.log_metrics(curves, step=step)


def log_figure(logger: Logger, name: str, path: Path, step: int) -> None:
    """Log a figure that is saved in the run folder."""
    if isinstance(logger, WandbLogger):
        logger.log_image(f"figures/{name}", [str(path)], step=step)
    elif isinstance(logger, TensorBoardLogger):
        from torchvision.io import read_image

        logger.experiment.add_image(f"figures/{name}", read_image(str(path)), step)


def log_video(logger: Logger, name: str, gif: bytes, step: int) -> None:
    """Log an animation on W&B; TensorBoard cannot show one without a further package."""
    if isinstance(logger, WandbLogger):
        with TemporaryDirectory() as folder:
            path = Path(folder) / f"{name}.gif"
            path.write_bytes(gif)
            logger.log_video(f"animations/{name}", [str(path)], step=step, format=["gif"])


def log_page(logger: Logger, name: str, path: Path, step: int) -> None:
    """Log an HTML page, which W&B shows in its panels and TensorBoard does not."""
    if isinstance(logger, WandbLogger):
        import wandb

        page = wandb.Html(path.read_text(encoding="utf-8"), inject=False)
        logger.experiment.log({name: page, "trainer/global_step": step})


def upload_advice(run_dir: Path) -> str | None:
    """Return how to upload a run that W&B has logged offline; None if it has not.

    W&B begins a new folder whenever a run is resumed or evaluated offline, since it cannot continue one. The parts have
    the same id, so that ``wandb sync`` joins them.
    """
    parts = sum(1 for _ in (run_dir / "wandb").glob("offline-run-*"))
    command = f"wandb sync {shlex.quote(str(run_dir))}/wandb/offline-run-*"
    if parts < 2:
        return f"W&B logged this run offline; to upload it, type {command}" if parts else None
    return f"W&B logged this run offline in {parts} parts; to upload them as one run, type {command}"


def close(loggers: list[Logger], failed: bool) -> None:
    """Close loggers. Otherwise the next job of a sweep would write into the run of this one."""
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            logger.experiment.finish(exit_code=int(failed))
        else:
            logger.finalize("failed" if failed else "success")
