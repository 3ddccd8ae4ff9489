"""Measure the speed of vae-lab and of other libraries: `make benchmark`, or

    python scripts/benchmark                              # all parts; forty minutes on two cores; updates the docs
    python scripts/benchmark --quick                      # two cases, one round; does not change the docs
    python scripts/benchmark --only "dense-*" --rounds 5 --parts race --write

All contestants train the same networks on the same images for the same number of steps and with the same number of
threads. They take turns, and each runs in a separate process. The results are written to
outputs/benchmark/<date>/results.json, from which scripts/benchmark/report.py rebuilds the docs.
"""

import argparse
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import machine
from cases import Case, cases
from contestants import CONTESTANTS, check_contestants
from growth import growth
from images import digits, pictures
from measure import WorkerFailed
from profile_run import profile
from report import show, write
from results import Results
from rich.console import Console
from scoring import scoring
from startup import startup
from storage import storage
from training import race

from vae_lab.launchers.joblib import cores

PARTS = ("race", "startup", "scoring", "storage", "growth", "profile")
console = Console(width=150, highlight=False)


def parse_arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--quick", action="store_true", help="one round at 28×28, batch size 128; start-up; keep the docs"
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="CASE", help='cases, e.g. dense-28-128 or "cnn-*"')
    parser.add_argument("--who", nargs="+", default=[], metavar="NAME", help="contestants; the hand loop always runs")
    parser.add_argument("--rounds", type=int, help="rounds of the race; default: 3, or 1 with --quick")
    parser.add_argument("--parts", nargs="+", choices=PARTS, help="default: all, or race and startup with --quick")
    parser.add_argument("--threads", type=int, default=cores(), help="threads of every contestant; default: all cores")
    parser.add_argument(
        "--write",
        action=argparse.BooleanOptionalAction,
        help="write the tables into docs and README; default: only if everything was measured",
    )
    parser.add_argument("--out", type=Path, help="folder for results.json; default: outputs/benchmark/<date>")
    return parser.parse_args()


def with_images(chosen: list[Case]) -> list[Case]:
    """Return the cases with the folders of their images, which are generated if necessary."""
    root = str(digits()[0])
    return [replace(case, data=root if case.side == 28 else str(pictures(case.side))) for case in chosen]


def empty_results(words: argparse.Namespace, chosen: list[Case], date: str) -> Results:
    """Return results that describe the machine and the settings, without measurements."""
    settings = {
        "date": date.partition("_")[0],
        "rounds": words.rounds or (1 if words.quick else 3),
        "quick": words.quick,
        "digits": digits()[1],
        "cases": [case.as_json() for case in chosen],
        "about": {each.name: each.about for each in CONTESTANTS},
    }
    return Results(machine.describe(words.threads), settings)


def measure_parts(words: argparse.Namespace, results: Results, chosen: list[Case], path: Path) -> None:
    """Measure the requested parts and write the results to ``path`` after each measurement."""
    parts = words.parts or (["race", "startup"] if words.quick else PARTS)
    if "race" in parts:
        wanted = [each for each in CONTESTANTS if not words.who or each.name in [*words.who, "hand loop"]]
        ready, results.skipped = check_contestants(wanted)
        for name, why in results.skipped.items():
            console.print(f"{name} is skipped: {why}")
        race(chosen, ready, results.settings["rounds"], results, path, console.print)
    others = {"startup": startup, "scoring": scoring, "storage": storage, "growth": growth, "profile": profile}
    for name, part in others.items():
        if name in parts:
            console.rule(name)
            try:
                setattr(results, name, part(words.threads, words.quick, console.print))
            except WorkerFailed as why:
                results.skipped[name] = str(why)
            results.write(path)


def main() -> None:
    """Measure, print the tables, and write the results."""
    words = parse_arguments()
    known = [each.name for each in CONTESTANTS]
    for name in set(words.who) - set(known):
        raise SystemExit(f"--who {name}: no such contestant; choose from {', '.join(known)}")
    if words.rounds is not None and words.rounds < 1:
        raise SystemExit(f"--rounds {words.rounds}: must be at least 1")
    date = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    chosen = with_images(cases(machine.device(), words.only, words.quick))
    results = empty_results(words, chosen, date)
    path = (words.out or Path("outputs/benchmark") / date) / "results.json"
    measure_parts(words, results, chosen, path)
    results.machine["load_after"] = machine.load()
    results.write(path)
    show(results, console)
    complete = not (words.quick or words.only or words.who or words.parts or words.rounds)
    if complete if words.write is None else words.write:
        write(results)
    console.print(f"The results are in {path}")


if __name__ == "__main__":
    main()
