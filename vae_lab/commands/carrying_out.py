"""What the words of a command line ask for, and how its command starts: the same in the program and in Python."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from vae_lab.commands.starting import STARTS
from vae_lab.config.composed import Composed
from vae_lab.config.conf import CONF
from vae_lab.config.paths import exists
from vae_lab.config.words import SWEEP_KEYS


def is_sweep(options: Sequence[str], words: Sequence[str]) -> bool:
    """Return whether a sweep is asked for: by -m, by a key that only sweeps have, or by an experiment's ``vary:``."""
    import yaml

    if any(option.startswith(("--cfg", "--info")) for option in options):
        return False  # Hydra only prints the config
    if "--multirun" in options or any(w.partition("=")[0].partition(".")[0] in SWEEP_KEYS for w in words):
        return True
    experiments = [CONF / "experiment" / f"{w.removeprefix('experiment=')}.yaml" for w in words if "experiment=" in w]
    return any("vary" in (yaml.safe_load(p.read_text(encoding="utf-8")) or {}) for p in experiments if exists(p))


def start(
    command: str,
    options: list[str],
    words: list[str],
    typed: Sequence[str],
    tell: Callable[[str, Exception], None],
    composed_is: Callable[[Composed], None] = lambda _: None,
) -> list[str]:
    """Compose the config of a command and carry it out.

    Args:
        command: the name of the command.
        options: options of Hydra.
        words: overrides.
        typed: the command line as the user typed it.
        tell: is told the name of each job of a Hydra sweep that failed, and its error.
        composed_is: receives the config before the command starts.

    Returns:
        The names of the jobs of a Hydra sweep that failed.
    """
    from vae_lab.config.hydra_main import carry_out
    from vae_lab.config.trust import trusting
    from vae_lab.runs.repeating import saved_config

    def task(composed: Composed) -> None:
        composed_is(composed)
        with trusting(trusted_names(composed)):
            STARTS[command](replace(composed, typed=list(typed)))

    with saved_config(command, options, words) as options:
        return carry_out(command, options, words, task, tell)


def trusted_names(composed: Composed) -> list[str]:
    """Return the packages of ``trust=`` and the classes that the user has chosen in this command.

    What a saved config (``--config-name``) names was not typed by the user.
    """
    from vae_lab.config.trust import packages_typed, targets_in, targets_typed
    from vae_lab.runs.repeating import COPY

    chosen = targets_typed(composed.words) if composed.primary == COPY else targets_in(composed.config)
    return [*packages_typed(composed.words), *sorted(chosen)]
