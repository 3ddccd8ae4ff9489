"""``vae_lab.train``: trains a run from a notebook or a script, with the words of the command line or Python values."""

from pathlib import Path

from vae_lab.commands.carrying_out import is_sweep, start, trusted_names
from vae_lab.commands.starting import resume
from vae_lab.config.composed import Composed
from vae_lab.config.hydra_errors import explain_hydra
from vae_lab.config.hydra_main import inside_python
from vae_lab.config.paths import expanded
from vae_lab.config.python_words import words_of
from vae_lab.config.shortages import shortage
from vae_lab.config.trust import packages_typed
from vae_lab.config.words import begun_from, divided, quoted, unquoted, with_defaults_of_dataset
from vae_lab.errors import Interrupted, RunFailed, UserError
from vae_lab.runs.run import Run
from vae_lab.runs.run_folder import load_run


def train(*words: object, **settings: object) -> Run:
    """Train, score and draw a run as ``vae-lab train`` does, and return it.

    >>> run = vae_lab.train("model=cnn", beta=4)
    >>> run = vae_lab.train(["dataset=digits", "epochs=5"], lr=1e-3, metrics=["fid", "nll"], data_dir=None)
    >>> run = vae_lab.train(dataset="mnist", model={"net": {"width": 64}}, **{"dataset.limit": 1000})
    >>> run = vae_lab.train(resume="outputs/2026-01-31/12-00-00-beta=4")

    Args:
        words: words as on the command line, lists of them, or mappings of keys to values.
        settings: values of keys. Numbers, texts, lists and None need no quotes; settings of a group are a mapping, or
            have dotted keys in a dict.

    Raises:
        UserError: the settings are not valid, or the data are missing or do not fit them; nothing has been written.
        RunFailed: the loss became NaN, or a file could not be written.
        Interrupted: a ``KeyboardInterrupt`` that says how to continue; the epochs so far are saved.
    """
    typed = words_of(words, settings)
    to_resume = [word for word in typed if word.startswith("resume=") and word != "resume=null"]
    try:
        with inside_python():
            if to_resume:
                resume(typed)
                folder, trust = expanded(unquoted(to_resume[0].removeprefix("resume="))), packages_typed(typed)
            else:
                folder, trust = _trained(typed)
    except Interrupted as stop:
        again = str(stop).partition(" resume=")[2]
        raise Interrupted(f"{stop}, or in Python vae_lab.train(resume={again!r})") from stop
    except (UserError, RunFailed):
        raise
    except Exception as why:
        lacking = shortage(why)
        if lacking:
            raise RunFailed(lacking) from why
        line = explain_hydra(why, "train")
        if line:
            raise UserError(line) from why
        raise
    return load_run(folder.absolute(), trust=trust)


def _trained(typed: list[str]) -> tuple[Path, list[str]]:
    """Train a new run; return its folder and the names that its config may contain."""
    options, words = begun_from(*divided(typed))
    words = with_defaults_of_dataset(options, words)
    if is_sweep(options, words):
        raise UserError("vae_lab.train trains a single run; for a sweep, type vae-lab train -m … in a terminal")
    other = next((option for option in options if not option.startswith("--config-")), None)
    if other:
        raise UserError(f"{other}: has no use in Python; leave it out")
    composed: list[Composed] = []

    def ready(one: Composed) -> None:
        if one.config["accelerator"]["devices"] > 1 or one.config["accelerator"]["strategy"] == "ddp":
            raise UserError("several processes start from the program alone; type vae-lab train … in a terminal")
        composed.append(one)

    start("train", options, quoted(words), typed, lambda *_: None, ready)
    return composed[0].folder, trusted_names(composed[0])
