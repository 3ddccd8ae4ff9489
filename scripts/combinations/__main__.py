"""Try every combination of options, and everything that a run of each model can do, and write docs/combinations.md.

Outcomes are kept in a file, so that a command that was stopped goes on where it was: --kept FILE. A change of the
package makes them void; remove the file then.
"""

import argparse
import json
import math
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
os.environ.setdefault("OMP_NUM_THREADS", "1")

from combinations.capabilities import results_of  # noqa: E402
from combinations.options import Cell, all_cells, each_option, leaders  # noqa: E402
from combinations.page import page  # noqa: E402
from combinations.trying import Outcome, Result, outcome_of  # noqa: E402
from vae_lab.config.help import groups  # noqa: E402

# Runs of other kinds than those of the models with their defaults.
KINDS = ("conditional=true", "objective=ae", "objective=soft_intro_vae", "posterior=iaf prior=mixture")
AT_ONCE = 25  # combinations that a process takes at a time


def main() -> int:
    """Try everything, write the page, and return 1 if there is a fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="MODEL", help="models; the page is not written")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--quick", action="store_true", help="without compilation and DDP, the slowest")
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="stop after so long; the page says how far it got"
    )
    parser.add_argument("--kept", type=Path, help="a file with outcomes, which are not tried again; new ones are added")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "combinations.md")
    words = parser.parse_args()
    kept = (
        json.loads(words.kept.read_text()) if words.kept and words.kept.is_file() else {"outcomes": {}, "results": {}}
    )
    models, started = words.only or list(groups()["model"]), time.perf_counter()
    with tempfile.TemporaryDirectory() as cache, ProcessPoolExecutor(words.processes) as pool:
        os.environ["VAE_LAB_CACHE"] = cache
        for _ in _tried(pool, models, kept, words.quick, started + 60 * words.minutes):
            kept["seconds"] = kept.get("seconds", 0) + time.perf_counter() - started
            started = time.perf_counter()
            if words.kept:
                words.kept.write_text(json.dumps(kept))
        pool.shutdown(cancel_futures=True)  # those that the time was too short for
    outcomes = [Outcome(Cell(*json.loads(cell)), *found) for cell, found in kept["outcomes"].items()]
    results = {model: [Result(**one) for one in found] for model, found in kept["results"].items()}
    if not words.only:
        words.page.write_text(page(outcomes, results, leaders(), round(kept.get("seconds", 0) * words.processes / 60)))
        print(f"written: {words.page}")
    faults = [f"{one.cell.words}: {one.fault}" for one in outcomes if one.fault]
    faults += [
        f"model={model}: {one.group} {one.name}: {one.fault}"
        for model in results
        for one in results[model]
        if one.fault
    ]
    print("\n".join([*faults, f"{len(outcomes)} combinations and {len(results)} models, {len(faults)} faults"]))
    return int(bool(faults))


def _tried(pool: Executor, models: list[str], kept: dict[str, Any], quick: bool, until: float) -> Iterator[None]:
    """Try what is not kept yet, and add it, until a time; yields after each part.

    First comes every option once with every model, then the runs, those of one model of each class at first, and
    then everything else.
    """
    first = [cell for model in models for cell in each_option(model)]
    yield from _tried_cells(pool, first, kept)
    ordered = [*leaders(), *(f"dense {kind}" for kind in KINDS), *models]
    wanted = dict.fromkeys(run for run in ordered if run.partition(" ")[0] in models)
    runs = [run for run in wanted if run not in kept["results"]]
    for model, found in zip(runs, pool.map(_results, runs, [not quick and model in leaders() for model in runs])):
        kept["results"][model] = [asdict(one) for one in found]
        print(f"runs of model={model}", flush=True)
        yield
        if time.perf_counter() > until:
            return
    others = all_cells(models)
    random.Random(0).shuffle(others)
    for _ in _tried_cells(pool, others, kept):
        yield
        if time.perf_counter() > until:
            return


def _tried_cells(pool: Executor, cells: list[Cell], kept: dict[str, Any]) -> Iterator[None]:
    """Try combinations that are not kept yet, and add their outcomes; yields after each part."""
    cells = [cell for cell in cells if json.dumps(cell) not in kept["outcomes"]]
    parts = [cells[start : start + AT_ONCE] for start in range(0, len(cells), AT_ONCE)]
    for number, part in enumerate(pool.map(_outcomes, parts), 1):
        kept["outcomes"] |= {json.dumps(one.cell): (one.refused, one.fault) for one in part}
        print(f"{min(number * AT_ONCE, len(cells)):,} of {len(cells):,} combinations", flush=True)
        yield


def _outcomes(cells: list[Cell]) -> list[Outcome]:
    return [outcome_of(cell) for cell in cells]


def _results(model: str, slow: bool) -> list[Result]:
    with tempfile.TemporaryDirectory() as folder:
        return list(results_of(f"model={model}".split(), Path(folder), slow))


if __name__ == "__main__":
    sys.exit(main())
