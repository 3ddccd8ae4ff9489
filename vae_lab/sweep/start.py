"""Starts a sweep from the words of ``vae-lab train -m …``."""

import shlex
from pathlib import Path

from rich.console import Console

from vae_lab.config.composing import composer, key_of, split_words, vary_of
from vae_lab.config.hydra_errors import explain
from vae_lab.config.make import make
from vae_lab.config.names import fitting
from vae_lab.config.node import Node
from vae_lab.config.schema import check, check_settings
from vae_lab.config.settings import SweepConfig, TrainConfig
from vae_lab.config.trust import targets_in, trusting
from vae_lab.config.words import refuse_unreadable
from vae_lab.errors import UserError
from vae_lab.sweep.aims import refuse_uncomputed
from vae_lab.sweep.plan import Sweep, default_folder
from vae_lab.sweep.runner import SweepRunner, sync_advice

FOLDER = Path("outputs/sweeps")


def start(words: list[str], console: Console) -> bool:
    """Plan a sweep and, unless ``dry_run=true``, carry it out and compare its runs; return whether all jobs succeeded.

    Raises:
        UserError: something is wrong that concerns all jobs; nothing has been written then.
        Interrupted: Ctrl-C or SIGTERM.
    """
    words, folder = _folder_typed(words)
    refuse_unreadable(words)
    with composer([]):
        fixed, varied = split_words(words)
    with composer(fixed) as compose_job:
        settings = check(SweepConfig, compose_job.of_sweep(list(SweepConfig.model_fields)))
        style = (compose_job.of_sweep(["figures"])["figures"] or {}).get("style")
        typed = {key_of(word) for word in words}
        varied = [*(entry for entry in vary_of(settings.vary) if entry.key not in typed), *varied]
        named = FOLDER / settings.sweep if settings.sweep else default_folder(FOLDER, fixed, varied)
        folder = fitting(folder or named)
        command = shlex.join(["vae-lab", "train", "-m", *words])
        sweep = Sweep(folder, fixed, varied, command, lambda job: _of_run(compose_job(job)))
        with trusting(targets_in([settings.launcher, settings.search])):
            engine = SweepRunner(sweep, make(settings.launcher), make(settings.search), console, explain)
        if "metrics" not in (entry.key for entry in varied):
            refuse_uncomputed(engine.search.aims, compose_job.of_sweep(["metrics"])["metrics"])
        total = engine.plan(numbered=settings.dry_run)
        if settings.dry_run:
            return True
        done = engine.run(total)
    _close(folder, console, style)
    return done


def _of_run(config: Node) -> Node:
    """Return the config of a single run: the job's config without the settings of the sweep.

    Raises:
        UserError: a setting is not valid.
    """
    config["choices"] = {k: v for k, v in config["choices"].items() if k not in SweepConfig.model_fields}
    config = {key: value for key, value in config.items() if key not in SweepConfig.model_fields}
    check_settings(TrainConfig, config)
    return config


def _close(folder: Path, console: Console, style: Node | None) -> None:
    from vae_lab.compare import write_comparison

    if any(folder.glob("*/config.yaml")):
        write_comparison([folder], folder, console, style=style)
    advice = sync_advice(folder)
    if advice:
        console.print(f"Upload to W&B: {advice}", markup=False, highlight=False, soft_wrap=True)


def _folder_typed(words: list[str]) -> tuple[list[str], Path | None]:
    """Return the words without ``hydra.sweep.dir=<folder>``, and that folder; refuse other settings of Hydra's sweeps.

    Raises:
        UserError: a word is a setting of Hydra's sweeps that has another name here.
    """
    folder, others = None, []
    for word in words:
        key, _, value = word.partition("=")
        if key == "hydra.sweep.dir" and value:
            folder = Path(value.strip("'"))
        elif key.startswith(("hydra.", "hydra/")) and key != "hydra.searchpath":
            instead = {"hydra.run.dir": "hydra.sweep.dir=<folder>", "hydra/launcher": "launcher=joblib",
                       "hydra/sweeper": "search=optuna"}  # fmt: skip
            advice = instead.get(key, "sweep=<name>, launcher=<option> or search=<option>")
            raise UserError(f"{word}: does not apply to sweeps; type {advice}")
        else:
            others.append(word)
    return others, folder
