"""Starts commands with the configs that were composed from the user's words.

The commands themselves, and with them torch, are imported only when one of them starts, so that ``vae-lab --help`` is
quick.
"""

import shlex
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path

from vae_lab.config.composed import Composed
from vae_lab.config.node import Node
from vae_lab.config.paths import expanded
from vae_lab.config.words import SWEEP_KEYS, unquoted
from vae_lab.errors import UserError
from vae_lab.system.startup import loading


def start_train(composed: Composed) -> None:
    """Train a new run.

    Raises:
        UserError: the config varies a key, or see :func:`vae_lab.commands.train.train`.
    """
    from rich.console import Console

    config = composed.config
    # An experiment of this package that varies keys is recognised earlier; one in a folder of hydra.searchpath is not.
    if config.get("vary"):  # the config of a run has no such key
        raise UserError(f"this experiment varies {', '.join(config['vary'])}; type -m to run it as a sweep")
    logs_to_wandb = "wandb" in (config["logger"] or {}).get("_target_", "")
    with loading("wandb.apis.public" if logs_to_wandb else None):
        from vae_lab.commands.train import train
        from vae_lab.config.reads import refuse_default_that_is_not_read
        from vae_lab.runs.state import in_use

    of_command = (*SWEEP_KEYS, "trust")
    of_run = {key: value for key, value in _placed(composed).items() if key not in of_command}
    refuse_default_that_is_not_read(of_run, composed.words)
    with in_use(composed.folder):
        train(of_run, composed.folder, Console(), command=shlex.join(["vae-lab", "train", *composed.typed]))


def start_score(composed: Composed) -> None:
    """Score images from any source."""
    from rich.console import Console

    with loading():
        from vae_lab.commands.score import score_images

    score_images(_placed(composed), composed.folder, Console(), composed.sweep)


def start_evaluate(composed: Composed) -> None:
    """Score a finished run, or those of a sweep, again."""
    from rich.console import Console

    with loading():
        from vae_lab.commands.evaluate import evaluate

    evaluate({**composed.config, "choices": composed.choices}, Console())


def start_sample(composed: Composed) -> None:
    """Generate examples with a finished run."""
    from rich.console import Console

    with loading():
        from vae_lab.commands.sample import sample

    typed = any(word.startswith("sampler.") for word in composed.words)
    sample({**composed.config, "choices": composed.choices}, Console(), typed)


def start_encode(composed: Composed) -> None:
    """Write the codes of images."""
    from rich.console import Console

    with loading():
        from vae_lab.commands.encode import encode

    encode({**composed.config, "choices": composed.choices}, Console())


def start_decode(composed: Composed) -> None:
    """Write the images of codes."""
    from rich.console import Console

    with loading():
        from vae_lab.commands.decode import decode

    decode({**composed.config, "choices": composed.choices}, Console())


def start_reconstruct(composed: Composed) -> None:
    """Write the reconstructions of images."""
    from rich.console import Console

    with loading():
        from vae_lab.commands.reconstruct import reconstruct

    reconstruct({**composed.config, "choices": composed.choices}, Console())


def start_interpolate(composed: Composed) -> None:
    """Write the images between two images."""
    from rich.console import Console

    with loading():
        from vae_lab.commands.interpolate import interpolate

    interpolate({**composed.config, "choices": composed.choices}, Console())


def start_detect(composed: Composed) -> None:
    """Find anomalies among images with a finished run."""
    from rich.console import Console

    with loading():
        from vae_lab.commands.detect import detect

    detect({**composed.config, "choices": composed.choices}, Console())


def start_figures(composed: Composed) -> None:
    """Draw figures of a finished run, or of those of a sweep, again."""
    from rich.console import Console

    with loading():
        from vae_lab.commands.figures import draw_figures

    draw_figures({**composed.config, "choices": composed.choices}, composed.words, Console())


def start_explore(composed: Composed) -> None:
    """Write a page in which the latent space of a finished run is walked through."""
    from rich.console import Console

    with loading():
        from vae_lab.commands.explore import explore

    explore({**composed.config, "choices": composed.choices}, Console())


def start_compare(composed: Composed) -> None:
    """Show runs side by side."""
    from rich.console import Console

    with loading():
        from vae_lab.commands.compare import compare

    compare(composed.config, Console())


def start_list(composed: Composed) -> None:
    """List runs."""
    from vae_lab.commands.list_runs import list_runs

    list_runs(composed.config)


STARTS: dict[str, Callable[[Composed], None]] = {
    "train": start_train,
    "evaluate": start_evaluate,
    "sample": start_sample,
    "encode": start_encode,
    "decode": start_decode,
    "reconstruct": start_reconstruct,
    "interpolate": start_interpolate,
    "detect": start_detect,
    "figures": start_figures,
    "score": start_score,
    "explore": start_explore,
    "compare": start_compare,
    "list": start_list,
}


def resume(words: Sequence[str]) -> None:
    """Resume a run. Hydra is not needed, because the run's config.yaml holds the complete config.

    Args:
        words: ``resume=<run folder>``, and ``trust=[…]`` if it was typed.

    Raises:
        UserError: there are other words, or see :func:`vae_lab.commands.train.resume`.
    """
    others = [word for word in words if not word.startswith(("resume=", "trust="))]
    if others:
        run = next(word for word in words if word.startswith("resume=")).removeprefix("resume=")
        more = f", or for more epochs, type vae-lab train from={run} epochs=<all epochs>, which starts a new run"
        longer = more if any(word.startswith("epochs=") for word in others) else ""
        raise UserError(f"resume= continues a run with its original settings; leave out {' '.join(others)}{longer}")
    folders = [word for word in words if word.startswith("resume=")]
    if len(folders) > 1:
        raise UserError(
            f"{' '.join(folders)}: several run folders, and one is resumed at a time; type only {folders[0]}"
        )
    folder = unquoted(folders[0].removeprefix("resume=").rstrip("/"))
    if not folder:
        raise UserError("resume= needs a run folder; type resume=outputs/<date>/<run>")
    from rich.console import Console

    with loading():
        from vae_lab.commands import train
        from vae_lab.config.trust import packages_typed, trusting
        from vae_lab.runs.state import in_use

    path: Path = expanded(folder)
    with trusting(packages_typed(words)), in_use(path) if path.is_dir() else nullcontext():
        train.resume(path, Console())


def _placed(composed: Composed) -> Node:
    """Return the config with the chosen options, and with absolute paths."""
    from vae_lab.config.composing import with_absolute_paths

    saved = composed.config.get("choices") or {}  # a saved config.yaml has its own choices
    return with_absolute_paths({**composed.config, "choices": {**saved, **composed.choices}})
