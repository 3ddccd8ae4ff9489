"""Write the tables of a results.json into docs/performance.md and README.md, between the markers there.

    python scripts/benchmark/report.py outputs/benchmark/<date>/results.json [more sessions on the same machine]

Measurements on a GPU replace only the tables for GPUs, and measurements on a CPU only those for CPUs.
"""

import argparse
from collections import Counter
from pathlib import Path

from doc_tables import Table, replaced
from part_tables import part_tables
from race_tables import race_tables, ratio_table, threads
from results import Results, joined, read_results
from rich.console import Console

from vae_lab.system.files import write_atomically

ROOT = Path(__file__).parents[2]
PAGE, README = ROOT / "docs" / "performance.md", ROOT / "README.md"
FIGURE = ROOT / "docs" / "growth.png"


def machine_text(results: Results) -> str:
    """Return one paragraph on the machine, its versions and load, the number of rounds, and the images."""
    machine, settings = results.machine, results.settings
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    device = f"{machine['device']} with " if machine["kind"] == "cuda" else ""
    turns = Counter((row["case"], row["contestant"]) for row in results.training).values()
    fewest, most = min(turns, default=0), max(turns, default=0)
    rounds = f"{fewest} to {most} rounds" if fewest < most else f"{most} round{'s' if most != 1 else ''}"
    bf16 = "with" if machine["bf16_instructions"] else "without"
    after = f" and {machine['load_after']} after" if "load_after" in machine else ""  # missing after a stop
    return (
        f"{device}{machine['processor']} ({bf16} instructions for bf16), {threads(machine)}; {versions}; "
        f"{rounds} on {settings['date']}, load {machine['load_before']} before"
        f"{after}. 28×28×1 is {settings['digits']}; 64×64×3 are random pictures with the "
        "spectrum of photographs."
    )


def contestants_text(results: Results) -> str:
    """Return a list of the contestants with their versions, and of those that were skipped with the reasons."""
    versions = {row["contestant"]: row["versions"] for row in results.training}
    lines = []
    for name, about in results.settings["about"].items():
        if name in versions:
            packages = ", ".join(f"{key} {number}" for key, number in versions[name].items())
            lines.append(f"- **{name}**: {about} ({packages})")
    return "\n".join([*lines, *(f"- *{name}*: not measured: {why}" for name, why in results.skipped.items())])


def pieces(results: Results) -> dict[str, str]:
    """Return the Markdown for each marker for which there are measurements."""
    kind = "gpu" if results.machine["kind"] == "cuda" else "cpu"

    def markdown(tables: list[Table]) -> str:
        return "\n\n".join(table.markdown() for table in tables)

    pieces_by_marker: dict[str, str] = {}
    if results.training:
        text = [machine_text(results), contestants_text(results), markdown(race_tables(results))]
        pieces_by_marker |= {f"race on {kind}": "\n\n".join(text), f"ratios on {kind}": _ratios_text(results)}
    pieces_by_marker |= {f"{name} on {kind}": markdown(tables) for name, tables in part_tables(results).items()}
    if "growth on cpu" in pieces_by_marker:
        pieces_by_marker["growth on cpu"] += f"\n\n![Seconds against each number, both axes logarithmic]({FIGURE.name})"
    return pieces_by_marker


def _ratios_text(results: Results) -> str:
    return f"{ratio_table(results).markdown()}\n\n*{machine_text(results)}*"


def show(results: Results, console: Console) -> None:
    """Print all tables on the terminal."""
    for table in (*race_tables(results), ratio_table(results)):
        table.show(console)
    for tables in part_tables(results).values():
        for table in tables:
            table.show(console)
    for name, why in results.skipped.items():
        console.print(f"not measured: {name}: {why}", highlight=False, soft_wrap=True)


def write(results: Results) -> None:
    """Update the page and the README, and the figure of growth if it was measured on a CPU."""
    for path in (PAGE, README):
        text = path.read_text(encoding="utf-8")
        for name, content in pieces(results).items():
            text = replaced(text, name, content)
        with write_atomically(path) as file:
            file.write(text)
    if results.growth and results.machine["kind"] == "cpu":
        from growth_figure import draw

        draw(results, FIGURE)


def main() -> None:
    """Print the tables and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="+", help="of one session, or of several sessions on one machine")
    results = joined([read_results(path) for path in parser.parse_args().results])
    show(results, Console(width=150))
    write(results)


if __name__ == "__main__":
    main()
