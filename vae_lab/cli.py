"""The program ``vae-lab``: the first word is a command, the rest goes to that command's ``hydra.main``.

torch, Hydra and Lightning are imported when a command needs them: ``vae-lab --help`` answers at once.
"""

import logging
import os
import signal
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

from vae_lab.config.help import CONF, command_help, overview
from vae_lab.errors import Interrupted, UserError, did_you_mean
from vae_lab.system.processes import interrupt
from vae_lab.system.startup import leave, loading
from vae_lab.version import __version__

Node = dict[str, Any]

_OF_SWEEPS = ("launcher", "search", "vary", "sweep", "dry_run")  # keys of conf/train.yaml that are none of a run's


def program() -> None:
    """Entry point of the console script."""
    try:
        main()
    except SystemExit as end:
        leave(int(end.code or 0))


def main() -> None:
    """What is typed behind ``vae-lab``, done; ends by ``SystemExit``."""
    try:
        status = _main(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # `vae-lab --help | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    sys.exit(status)


def _main(words: list[str]) -> int:
    if not words or words[0] in ("--help", "-h", "help"):
        print(overview())
        return 0
    if words[0] == "--version":
        print(f"vae-lab {__version__}")
        return 0
    if words[0] in ("-sc", "--shell-completion"):
        return _complete(words)
    command, rest = words[0], words[1:]
    if command == "_worker":  # a further DDP process of a run that is under way
        with loading():
            from vae_lab.commands.train import train_worker

        train_worker(Path(rest[0]))
        return 0
    if command not in _TASKS:
        print(f"vae-lab: no command '{command}'{did_you_mean(command, _TASKS)}; commands: {', '.join(_TASKS)}; "
              "type vae-lab --help", file=sys.stderr)  # fmt: skip
        return 2
    if "--help" in rest or "-h" in rest:
        print(command_help(command))
        return 0
    return _guarded(command, rest)


def _guarded(command: str, rest: list[str]) -> int:
    """Run a command; whatever goes wrong becomes one line and an exit status."""
    signal.signal(signal.SIGTERM, interrupt)  # as Ctrl-C: what is running ends cleanly and says how to go on
    full_trace = os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra would print and exit by itself
    os.environ["VAE_LAB_TRACE"] = str(int(full_trace))  # for the processes of a sweep
    logging.disable(logging.INFO)  # libraries' own reports
    failed_jobs: list[str] = []
    try:
        if any(word.startswith("accelerator.precision=") for word in rest):
            raise UserError(
                "accelerator.precision has another name: type precision=fp32, precision=bf16 or precision=fp16"
            )
        if command == "train" and any(word.startswith("resume=") for word in rest):
            return _resume(rest)
        if command == "train" and _is_sweep(rest):
            return _run_sweep(rest)
        _hydra_main(command, _folders_as_override(rest) if command == "compare" else rest, failed_jobs)
        return 0
    except KeyboardInterrupt as stop:
        print(f"\nvae-lab {command}: {stop if isinstance(stop, Interrupted) else 'stopped'}", file=sys.stderr)
        return Interrupted.exit_status
    except Exception as error:
        if full_trace:
            import traceback

            traceback.print_exc()
        if failed_jobs:  # of a sweep, told as they happened
            print(
                f"vae-lab {command}: {len(failed_jobs)} of the sweep's jobs failed: {', '.join(failed_jobs)}",
                file=sys.stderr,
            )
            return 1
        from vae_lab.config.hydra_errors import explain

        status, text = explain(error)
        print(f"vae-lab {command}: {text}", file=sys.stderr)
        return status


def _hydra_main(command: str, rest: list[str], failed_jobs: list[str]) -> None:
    """Let Hydra compose the command's config and call its task, once or once per job of a sweep."""
    import hydra
    from omegaconf import DictConfig, OmegaConf

    from vae_lab.config.composing import key_of, settle_weights
    from vae_lab.config.hydra_errors import explain, register_resolvers

    register_resolvers()
    failures: list[Exception] = []

    def task(config: DictConfig) -> None:
        from hydra.core.hydra_config import HydraConfig

        info = HydraConfig.get()
        sweeping = info.mode is not None and info.mode.name == "MULTIRUN"
        folder = Path(info.runtime.output_dir)
        try:
            if command == "train":
                settle_weights(config, {key_of(word) for word in info.overrides.task})
            plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
            _TASKS[command](cast(Node, plain), info)
        except KeyboardInterrupt:
            _remove_empty(folder)
            raise
        except Exception as error:
            _remove_empty(folder)
            failures.append(error)
            if sweeping:
                failed_jobs.append(folder.name)
                print(f"vae-lab {command}: {folder.name}: {explain(error)[1]}", file=sys.stderr)
                raise  # marks the job as failed; the others go on

    sys.argv = [sys.argv[0], *(_quoted(word) for word in rest)]
    hydra.main(version_base="1.3", config_path=str(CONF), config_name=command)(task)()
    if failures:  # of a single run: raised here, since Hydra would print a line of its own
        raise failures[0]


def _train(config: Node, info: Any) -> None:
    from rich.console import Console

    if config["vary"]:  # an experiment of a folder in hydra.searchpath; our own are known as sweeps beforehand
        raise UserError(f"this experiment varies {', '.join(config['vary'])}; type -m")
    logs_to_wandb = "wandb" in (config["logger"] or {}).get("_target_", "")
    with loading("wandb.apis.public" if logs_to_wandb else None):
        from vae_lab.commands.train import train
        from vae_lab.runs.state import in_use

    folder, config = _placed(config, info), {k: v for k, v in config.items() if k not in _OF_SWEEPS}
    with in_use(folder):
        train(config, folder, Console())


def _score(config: Node, info: Any) -> None:
    from rich.console import Console

    with loading():
        from vae_lab.commands.score import score_images

    score_images(config, _placed(config, info), Console(), _sweep(info))


def _placed(config: Node, info: Any) -> Path:
    """The run folder; the config is completed by what was chosen and by whole paths."""
    from vae_lab.config.composing import with_whole_paths

    config["choices"] = {**(config.get("choices") or {}), **_choices(info)}  # a saved config.yaml brings its own
    with_whole_paths(config)
    return Path(_relative(info.runtime.output_dir))


def _choices(info: Any) -> dict[str, str | None]:
    """Group -> the option that was chosen."""
    return {k: v for k, v in info.runtime.choices.items() if not k.startswith("hydra") and k not in _OF_SWEEPS}


def _sweep(info: Any) -> str | None:
    return Path(info.sweep.dir).name if info.mode.name == "MULTIRUN" else None


def _evaluate(config: Node, info: Any) -> None:
    from rich.console import Console

    with loading():
        from vae_lab.commands.evaluate import evaluate

    evaluate({**config, "choices": _choices(info)}, Console())


def _sample(config: Node, info: Any) -> None:
    from rich.console import Console

    with loading():
        from vae_lab.commands.sample import sample

    typed = any(word.startswith("sampler.") for word in info.overrides.task)
    sample({**config, "choices": _choices(info)}, Console(), typed)


def _compare(config: Node, info: Any) -> None:
    from rich.console import Console

    with loading():
        from vae_lab.compare.comparison import compare

    compare(config, Console())


_TASKS: dict[str, Callable[[Node, Any], None]] = {
    "train": _train,
    "evaluate": _evaluate,
    "sample": _sample,
    "score": _score,
    "compare": _compare,
}


def _is_sweep(words: list[str]) -> bool:
    """Several runs were asked for, by -m, by what only sweeps have, or by an experiment that varies something."""
    import yaml

    if {"--cfg", "-c", "--info", "-i"} & set(words):
        return False  # Hydra shows the config
    if {"-m", "--multirun"} & set(words) or any(w.partition("=")[0].partition(".")[0] in _OF_SWEEPS for w in words):
        return True
    experiments = [CONF / "experiment" / f"{w.removeprefix('experiment=')}.yaml" for w in words if "experiment=" in w]
    return any("vary" in (yaml.safe_load(p.read_text(encoding="utf-8")) or {}) for p in experiments if p.is_file())


def _run_sweep(words: list[str]) -> int:
    """Plan, carry out, compare; 1 where a job failed."""
    from rich.console import Console

    with loading():
        from vae_lab.sweep.start import start

    words = [_quoted(word) for word in words if word not in ("-m", "--multirun")]
    return 0 if start(words, Console()) else 1


def _resume(rest: list[str]) -> int:
    """Not by way of Hydra: the run's own config.yaml says everything."""
    others = [word for word in rest if not word.startswith("resume=")]
    if others:
        raise UserError(f"resume= goes on with a run as it was started; leave out {' '.join(others)}")
    folder = rest[0].removeprefix("resume=").rstrip("/")
    if not folder:
        raise UserError("resume= needs a run folder; type resume=outputs/<date>/<run>")
    from rich.console import Console

    with loading():
        from vae_lab.commands.train import resume
        from vae_lab.runs.state import in_use

    with in_use(Path(folder)) if Path(folder).is_dir() else nullcontext():
        resume(Path(folder), Console())
    return 0


def _complete(words: list[str]) -> int:
    """Tab completion: of the command here, of everything after it by Hydra."""
    line = os.environ.get("COMP_LINE", "")
    typed = line.split(" ")
    if words[-1].startswith("query=") and len(typed) <= 2:
        print(" ".join([*_TASKS, "--help", "--version"]))
        return 0
    command = typed[1] if len(typed) > 2 and typed[1] in _TASKS else "train"
    os.environ["COMP_LINE"] = " ".join([typed[0], *typed[2:]])
    _hydra_main(command, words, [])
    return 0


def _remove_empty(folder: Path) -> None:
    """Hydra makes the run folder before the task starts; leave none behind that nothing was written to."""
    while folder != Path.cwd() and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
        if not folder.is_relative_to(Path.cwd()):
            break


def _folders_as_override(words: list[str]) -> list[str]:
    """Words that are paths, or at least no overrides and no options, become ``runs=[…]``."""
    takes_word = {"--cfg", "-c", "--info", "-i", "--package", "-p", "--experimental-rerun"}
    paths: list[str] = []
    others: list[str] = []
    for before, word in zip(["", *words], words):
        is_path = Path(word).expanduser().exists() or not ("=" in word or word[:1] in "-+~")
        (paths if is_path and before not in takes_word else others).append(word)
    quoted = ",".join("'" + path.replace("'", r"\'") + "'" for path in paths)
    return [*others, f"runs=[{quoted}]"] if paths else others


def _quoted(word: str) -> str:
    """A path that exists may hold = and comma, which Hydra would read as grammar."""
    key, equals, value = word.partition("=")
    if equals and not key.startswith("-") and any(sign in value for sign in "=, ") and Path(value).exists():
        return f"{key}='{value}'"
    return word


def _relative(path: str) -> str:
    """As the person would type it from here."""
    return os.path.relpath(path) if Path(path).is_relative_to(Path.cwd()) else path
