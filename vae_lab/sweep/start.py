"""From the words of ``vae-lab train -m …`` to a sweep."""

import shlex
from pathlib import Path
from typing import Any

from rich.console import Console

from vae_lab.config.composing import composer, key_of, split_words, vary_of
from vae_lab.config.hydra_errors import explain
from vae_lab.config.make import make
from vae_lab.config.schema import SweepConfig, check
from vae_lab.errors import UserError
from vae_lab.sweep.plan import Sweep, default_name
from vae_lab.sweep.runner import SweepRunner, sync_advice

FOLDER = Path("outputs/sweeps")


def start(words: list[str], console: Console) -> bool:
    """Plan a sweep, carry it out unless ``dry_run=true``, compare its runs; whether all jobs came to their end.

    Raises:
        UserError: something that concerns the sweep as a whole is wrong; nothing was written then.
        Interrupted: Ctrl-C or SIGTERM.
    """
    words, folder = _folder_typed(words)
    with composer([]):
        fixed, varied = split_words(words)
    with composer(fixed) as compose_job:
        settings = check(SweepConfig, compose_job.of_sweep(list(SweepConfig.model_fields)))
        typed = {key_of(word) for word in words}
        varied = [*(one for one in vary_of(settings.vary) if one.key not in typed), *varied]
        folder = folder or FOLDER / (settings.sweep or default_name(fixed, varied))
        command = shlex.join(["vae-lab", "train", "-m", *words])
        sweep = Sweep(folder, fixed, varied, command, lambda job: _of_run(compose_job(job)))
        engine = SweepRunner(sweep, make(settings.launcher), make(settings.search), console, explain)
        total = engine.plan(numbered=settings.dry_run)
        if settings.dry_run:
            return True
        done = engine.run(total)
    _close(folder, console)
    return done


def _of_run(config: dict[str, Any]) -> dict[str, Any]:
    """What is left for a single run to know."""
    config["choices"] = {k: v for k, v in config["choices"].items() if k not in SweepConfig.model_fields}
    return {key: value for key, value in config.items() if key not in SweepConfig.model_fields}


def _close(folder: Path, console: Console) -> None:
    from vae_lab.compare import write_comparison

    if any(folder.glob("*/config.yaml")):
        write_comparison([folder], folder, console)
    advice = sync_advice(folder)
    if advice:
        console.print(f"Upload to W&B: {advice}", markup=False, highlight=False, soft_wrap=True)


def _folder_typed(words: list[str]) -> tuple[list[str], Path | None]:
    """``hydra.sweep.dir=<folder>`` taken out; what else Hydra's own sweeps know has another name here."""
    folder, others = None, []
    for word in words:
        key, _, value = word.partition("=")
        if key == "hydra.sweep.dir" and value:
            folder = Path(value.strip("'"))
        elif key.startswith(("hydra.", "hydra/")) and key != "hydra.searchpath":
            instead = {"hydra.run.dir": "hydra.sweep.dir=<folder>", "hydra/launcher": "launcher=joblib",
                       "hydra/sweeper": "search=optuna"}  # fmt: skip
            raise UserError(f"{word}: not for sweeps; type {instead.get(key, 'sweep=<name>, launcher=, search=')}")
        else:
            others.append(word)
    return others, folder
