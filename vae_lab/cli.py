"""The program ``vae-lab``: the first word is a command, the other words go to that command's ``hydra.main``.

torch, Hydra and Lightning are imported only when a command needs them, so that ``vae-lab --help`` is quick.
"""

import logging
import os
import signal
import sys
from pathlib import Path

from vae_lab.commands.carrying_out import is_sweep, start
from vae_lab.commands.starting import STARTS, resume
from vae_lab.config.help import command_help, overview
from vae_lab.config.paths import exists, expanded
from vae_lab.config.words import (
    begun_from,
    divided,
    quote,
    quoted,
    search_folders,
    unquoted,
    with_defaults_of_dataset,
)
from vae_lab.errors import Interrupted, UserError, did_you_mean, one_line
from vae_lab.system import streams
from vae_lab.system.processes import interrupt
from vae_lab.system.startup import leave, loading
from vae_lab.version import __version__

_PRINTING = {"--help", "-h", "help", "--version", "-sc", "--cfg", "-c", "--info", "-i", "dry_run=true"}


def program() -> None:
    """Run the console script ``vae-lab``."""
    streams.prepare()
    try:
        main()
    except SystemExit as end:
        leave(int(end.code or 0))


def main() -> None:
    """Carry out the command line and raise ``SystemExit`` with its exit status."""
    words = sys.argv[1:]
    status = _main(words)
    lost = streams.what_was_lost()
    if lost:
        print(f"vae-lab: output is missing, since stdout cannot be written ({lost})", file=sys.stderr)
        status = status or int(_only_prints(words))
    sys.exit(status)


def _only_prints(words: list[str]) -> bool:
    """Return whether a command line does nothing but print."""
    return not words or any(word.partition("=")[0] in _PRINTING or word in _PRINTING for word in words)


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
    if command == "_worker":  # an additional DDP process of a run that has started
        with loading():
            from vae_lab.commands.train import train_worker
            from vae_lab.config.trust import trusting

        # Lightning adds words for Hydra, such as hydra.run.dir=…, to the command line of these processes.
        with trusting(word for word in rest[1:] if "=" not in word):
            train_worker(Path(rest[0]))
        return 0
    if command not in STARTS:
        _tell("", f"no such command '{command}'{did_you_mean(command, STARTS)}; commands: {', '.join(STARTS)}; "
                  "type vae-lab --help")  # fmt: skip
        return 2
    if "--help" in rest or "-h" in rest:
        print(command_help(command, search_folders(rest)))
        return 0
    return _guarded(command, rest)


def _guarded(command: str, rest: list[str]) -> int:
    """Run a command; print any error as one line and return the exit status."""
    signal.signal(signal.SIGTERM, interrupt)  # as for Ctrl-C, the run ends cleanly and says how to resume it
    full_trace = os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # otherwise Hydra prints the error itself and exits
    os.environ["VAE_LAB_TRACE"] = str(int(full_trace))  # read by the processes of a sweep
    logging.disable(logging.INFO)  # silences the libraries' progress reports
    logging.getLogger("hydra.utils").setLevel(logging.CRITICAL)  # logs errors of imports, which are raised as well
    try:
        return _carried_out(command, rest)
    except KeyboardInterrupt as stop:
        print(file=sys.stderr)
        _tell(command, str(stop) if isinstance(stop, Interrupted) else "stopped")
        return Interrupted.exit_status
    except Exception as error:
        if full_trace:
            import traceback

            traceback.print_exc()
        from vae_lab.config.hydra_errors import explain

        status, text = explain(error, command)
        _tell(command, text)
        return status


def _carried_out(command: str, rest: list[str]) -> int:
    """Run a command and return the exit status."""
    if any(word.startswith("accelerator.precision=") for word in rest):
        raise UserError(
            "accelerator.precision is now called precision: type precision=fp32, precision=bf16 or precision=fp16"
        )
    if command == "train" and any(word.startswith("resume=") for word in rest):
        resume(rest)
        return 0
    options, words = divided(rest)
    if command == "train":
        options, words = begun_from(options, words)
        words = with_defaults_of_dataset(options, words)
    if any(option.startswith("--info") for option in options):
        logging.disable(logging.NOTSET)  # Hydra shows the facts about a config as log entries
    if command == "train" and is_sweep(options, words):
        return _run_sweep(options, words)
    words = _folders_as_override(words) if command in ("compare", "list") else words
    words = quoted(words, several="--multirun" in options)

    from vae_lab.config.hydra_errors import explain

    def tell(job: str, error: Exception) -> None:
        _tell(command, f"{job}: {explain(error, command)[1]}")

    failed = start(command, options, words, rest, tell)
    if failed:
        _tell(command, f"{len(failed)} of the sweep's jobs failed: {', '.join(failed)}")
    return int(bool(failed))


def _tell(command: str, text: str) -> None:
    """Print a message on stderr, as one line."""
    print(f"{f'vae-lab {command}'.strip()}: {one_line(text)}", file=sys.stderr)


def _run_sweep(options: list[str], words: list[str]) -> int:
    """Plan a sweep, carry it out and compare its runs; return 1 if a job failed, else 0."""
    other = next((option for option in options if option != "--multirun"), None)
    if other:
        raise UserError(f"{other}: does not apply to sweeps; leave it out, or leave out -m and what is swept")
    from rich.console import Console

    with loading():
        from vae_lab.sweep.start import start as start_sweep

    return 0 if start_sweep(quoted(words, several=True), Console()) else 1


def _complete(words: list[str]) -> int:
    """Complete the command, and let Hydra complete everything after it."""
    line = os.environ.get("COMP_LINE", "")
    typed = line.split(" ")
    if words[-1].startswith("query=") and len(typed) <= 2:
        print(" ".join([*STARTS, "--help", "--version"]))
        return 0
    command = typed[1] if len(typed) > 2 and typed[1] in STARTS else "train"
    os.environ["COMP_LINE"] = " ".join([typed[0], *typed[2:]])
    from vae_lab.config.hydra_main import call_hydra

    call_hydra(command, words, lambda _: None)
    return 0


def _folders_as_override(words: list[str]) -> list[str]:
    """Collect the words that are paths, or at least no overrides, in one override ``runs=[…]``."""
    is_path = {word: exists(expanded(word)) or not ("=" in word or word[:1] in "+~") for word in words}
    paths = ",".join(quote(unquoted(word)) for word in words if is_path[word])
    others = [word for word in words if not is_path[word]]
    return [*others, f"runs=[{paths}]"] if paths else others
