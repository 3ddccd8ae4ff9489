"""One command for every number about speed: `make benchmark`, or

    python scripts/benchmark                              # all; about forty minutes on two cores; writes the docs
    python scripts/benchmark --quick                      # a look: two cases, one round; the docs stay as they are
    python scripts/benchmark --only "dense-*" --rounds 5 --parts race --write

All contestants train the same networks on the same images for the same number of steps, each in a process of its own,
in turns, with the same number of threads. Results go to outputs/benchmark/<date>/results.json, from which
scripts/benchmark/report.py rebuilds the docs.
"""

import argparse
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import machine
from cases import Case, cases
from contestants import CONTESTANTS, able
from growth import growth
from images import digits, pictures
from measure import WorkerFailed
from report import show, write
from results import Results
from rich.console import Console
from scoring import scoring
from startup import startup
from training import race
from where import profile

from vae_lab.launchers.joblib import cores

PARTS = ("race", "startup", "scoring", "growth", "profile")
console = Console(width=150, highlight=False)


def asked() -> argparse.Namespace:
    """What was typed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round of 28×28 at batch 128, start-up; docs stay")
    parser.add_argument("--only", nargs="+", default=[], metavar="CASE", help='such as dense-28-128 or "cnn-*"')
    parser.add_argument("--who", nargs="+", default=[], metavar="NAME", help="also without it: the hand loop")
    parser.add_argument("--rounds", type=int, help="3, or 1 with --quick")
    parser.add_argument("--parts", nargs="+", choices=PARTS, help="all, or race and startup with --quick")
    parser.add_argument("--threads", type=int, default=cores(), help="for every contestant; default: all cores")
    parser.add_argument(
        "--write", action=argparse.BooleanOptionalAction, help="into docs and README; default: whole runs"
    )
    parser.add_argument("--out", type=Path, help="default: outputs/benchmark/<date>")
    return parser.parse_args()


def placed(chosen: list[Case]) -> list[Case]:
    """The cases with their images made or found."""
    root = str(digits()[0])
    return [replace(case, data=root if case.side == 28 else str(pictures(case.side))) for case in chosen]


def start(words: argparse.Namespace, chosen: list[Case], date: str) -> Results:
    """Results with nothing measured yet."""
    settings = {
        "date": date.partition("_")[0],
        "rounds": words.rounds or (1 if words.quick else 3),
        "quick": words.quick,
        "digits": digits()[1],
        "cases": [case.as_json() for case in chosen],
        "about": {each.name: each.about for each in CONTESTANTS},
    }
    return Results(machine.describe(words.threads), settings)


def measure_parts(words: argparse.Namespace, results: Results, chosen: list[Case], written: Path) -> None:
    """Everything asked for, each part kept as soon as it is known."""
    parts = words.parts or (["race", "startup"] if words.quick else PARTS)
    if "race" in parts:
        wanted = [each for each in CONTESTANTS if not words.who or each.name in [*words.who, "hand loop"]]
        ready, results.skipped = able(wanted)
        for name, why in results.skipped.items():
            console.print(f"{name} takes no part: {why}")
        race(chosen, ready, results.settings["rounds"], results, written, console.print)
    for name, part in (("startup", startup), ("scoring", scoring), ("growth", growth), ("profile", profile)):
        if name in parts:
            console.rule(name)
            try:
                setattr(results, name, part(words.threads, words.quick, console.print))
            except WorkerFailed as why:
                results.skipped[name] = str(why)
            results.write(written)


def main() -> None:
    """Measure, show, write."""
    words = asked()
    known = [each.name for each in CONTESTANTS]
    for name in set(words.who) - set(known):
        raise SystemExit(f"--who {name}: no such contestant; there are {', '.join(known)}")
    if words.rounds is not None and words.rounds < 1:
        raise SystemExit(f"--rounds {words.rounds}: at least 1")
    date = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    chosen = placed(cases(machine.device(), words.only, words.quick))
    results = start(words, chosen, date)
    written = (words.out or Path("outputs/benchmark") / date) / "results.json"
    measure_parts(words, results, chosen, written)
    results.machine["load_after"] = machine.load()
    results.write(written)
    show(results, console)
    whole = not (words.quick or words.only or words.who or words.parts or words.rounds)
    if whole if words.write is None else words.write:
        write(results)
    console.print(f"Everything is in {written}")


if __name__ == "__main__":
    main()
