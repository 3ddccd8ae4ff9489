"""Try random command lines and check that each keeps to the contract in contract.py: `make fuzz`, or

    python scripts/fuzz --count 10000 --seed 1                     # wrong lines of every command; 300 a minute
    python scripts/fuzz combinations --count 1000 --seed 1         # combinations of options, trained; 15 a minute
    python scripts/fuzz --seed 1 --only 17                         # one of them again, with all of its output
    python scripts/fuzz --line "train model=5"                     # a line of your own

A line depends on the seed and on its number alone. The violations are printed as they are found, and written to
outputs/fuzz/<kind>-<seed>.txt.
"""

import argparse
import os
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from fuzz.campaign import campaign, console
from fuzz.child import load
from fuzz.sandbox import Sandbox
from fuzz.trial import KINDS, Tried, lines_of, try_lines

LIMITS = {"lines": 60.0, "combinations": 300.0}  # seconds


def parse_arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", type=_kind, metavar="KIND", help=f"{' or '.join(KINDS)}; default: lines")
    parser.add_argument("--count", type=int, default=1000, help="trials of each kind; default: 1,000")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    parser.add_argument("--first", type=int, default=0, help="number of the first trial; default: 0")
    parser.add_argument("--only", type=int, help="try this number alone, show its output and keep its folder")
    parser.add_argument("--line", help="try this line alone, show its output and keep its folder")
    parser.add_argument("--jobs", type=int, default=1, help="trials side by side; default: 1")
    parser.add_argument("--limit", type=float, help="seconds until a line is interrupted; default: 60, or 300")
    return parser.parse_args()


def _kind(word: str) -> str:
    if word not in KINDS:
        raise argparse.ArgumentTypeError(f"'{word}' is none of {', '.join(KINDS)}")
    return word


def main() -> int:
    """Try the lines; return 1 if one broke the contract, else 0."""
    words = parse_arguments()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    load()
    sandbox = Sandbox(Path(tempfile.mkdtemp(prefix="vae-lab-fuzz-")))
    sandbox.prepare()
    kinds = words.kinds or ["lines"]
    if words.line is not None or words.only is not None:
        lines = lines_of(kinds[0], words.seed, words.only) if words.line is None else [shlex.split(words.line)]
        limit = words.limit or LIMITS[kinds[0]]
        return show_each(try_lines(lines, sandbox, words.only or 0, limit, keep=True), sandbox)
    try:
        return max(try_many(kind, words, sandbox) for kind in kinds)
    finally:
        shutil.rmtree(sandbox.base, ignore_errors=True)


def try_many(kind: str, words: argparse.Namespace, sandbox: Sandbox) -> int:
    """Try the trials of one kind; return 1 if a line broke the contract, else 0."""
    one: Callable[[int], list[Tried]] = partial(_trial, kind, words.seed, sandbox, words.limit or LIMITS[kind])
    numbers = range(words.first, words.first + words.count)
    undisturbed = (signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends this process, which ends the others
    context = get_context("fork")
    with ProcessPoolExecutor(words.jobs, context, initializer=signal.signal, initargs=undisturbed) as pool:
        try:
            return campaign(kind, words.seed, len(numbers), pool.map(one, numbers))
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _trial(kind: str, seed: int, sandbox: Sandbox, limit: float, number: int) -> list[Tried]:
    return try_lines(lines_of(kind, seed, number), sandbox, number, limit)


def show_each(trial: list[Tried], sandbox: Sandbox) -> int:
    """Print all about the lines of one trial; return 1 if one broke the contract, else 0."""
    for tried in trial:
        console.print(tried.typed, tried.ended.out, tried.ended.err, sep="\n")
        console.print(
            f"exit status {tried.ended.status}, {tried.ended.seconds:.1f} s: {tried.violations or 'no violation'}"
        )
    console.print(f"Its folder is in {sandbox.base / 'trials'}")
    return int(any(tried.violations for tried in trial))


if __name__ == "__main__":
    sys.exit(main())
