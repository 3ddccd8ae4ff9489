"""Where metrics go beside ``metrics.csv``: Weights & Biases, TensorBoard, or nowhere.

A logger is one factory here and one YAML in ``conf/logger``.
"""

import contextlib
import os
from dataclasses import dataclass
from netrc import NetrcParseError, netrc
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlparse

from pytorch_lightning.loggers import Logger, TensorBoardLogger, WandbLogger

from vae_lab.errors import UserError
from vae_lab.scores import Scores


@dataclass
class LogContext:
    """What a logger needs to know of its run."""

    run_dir: Path
    config: dict[str, Any]  # resolved
    run_id: str  # stays the same when the run is resumed or evaluated
    sweep: str | None  # the sweep that the run is a job of


def wandb_logger(
    context: LogContext,
    project: str,
    mode: Literal["auto", "online", "offline"],
    name: str | None,
    group: str | None,
    tags: list[str],
) -> Logger:
    """W&B, online where the person is logged in, else offline: no account, no question, no network."""
    import wandb

    choices = context.config.get("choices", {})
    automatic = [choices[key] for key in ("model", "objective", "likelihood", "dataset") if choices.get(key)]
    options: dict[str, Any] = {
        "project": project,
        "name": name or context.run_dir.name,
        "group": group or context.sweep,
        "tags": [*automatic, *tags],
        "id": context.run_id,
        "dir": str(context.run_dir),
        "resume": "allow",
    }
    asked = os.environ.get("WANDB_MODE", "online")  # W&B's own switch: online, offline, disabled
    online = mode == "online" or (mode == "auto" and asked == "online" and _logged_in())
    run = None
    if online:
        try:
            run = wandb.init(mode="online", settings=_settings(init_timeout=20), **options)
        except Exception as why:  # no network, a key that is no longer valid, a server that is down
            if mode == "online":
                raise UserError(
                    f"logger.mode=online: W&B cannot be reached ({' '.join(str(why).split())[:120]}); log in with "
                    "`wandb login`, or type logger.mode=offline"
                ) from why
    if run is None:
        run = wandb.init(mode="disabled" if asked == "disabled" else "offline", settings=_settings(), **options)
    run.define_metric("trainer/global_step")
    run.define_metric("*", step_metric="trainer/global_step", step_sync=True)
    logger = WandbLogger(experiment=run)
    logger.log_hyperparams(context.config)
    return logger


def _settings(**more: Any) -> Any:
    import wandb

    # A run of its own each time: jobs that are trained as one stack have theirs open side by side.
    return wandb.Settings(silent=True, console="off", reinit="create_new", **more)


def _logged_in() -> bool:
    """Whether a key is at hand, without asking wandb: that would ask the network or the person."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    with contextlib.suppress(OSError, NetrcParseError):
        return netrc(os.environ.get("NETRC")).authenticators(host) is not None
    return False


def tensorboard_logger(context: LogContext) -> Logger:
    """TensorBoard files in ``<run>/tensorboard``."""
    try:
        logger = TensorBoardLogger(str(context.run_dir), name="tensorboard", version="", default_hp_metric=False)
    except ModuleNotFoundError as why:
        raise UserError("logger=tensorboard needs the package tensorboard: pip install 'vae-lab[tensorboard]'") from why
    logger.log_hyperparams(context.config)
    return logger


def log_scores(logger: Logger, scores: Scores, step: int) -> None:
    """Final scores; W&B shows them in its run table."""
    if isinstance(logger, WandbLogger):
        logger.experiment.summary.update(scores.values)
    logger.log_metrics(scores.values, step=step)


def log_figure(logger: Logger, name: str, path: Path, step: int) -> None:
    """A picture that lies in the run folder."""
    if isinstance(logger, WandbLogger):
        logger.log_image(f"figures/{name}", [str(path)], step=step)
    elif isinstance(logger, TensorBoardLogger):
        from torchvision.io import read_image

        logger.experiment.add_image(f"figures/{name}", read_image(str(path)), step)


def close(loggers: list[Logger], failed: bool) -> None:
    """End every logger's run; the next job of a sweep would otherwise write into this one's."""
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            logger.experiment.finish(exit_code=int(failed))
        else:
            logger.finalize("failed" if failed else "success")
