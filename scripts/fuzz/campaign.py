"""The report of many trials: progress with the time left, each violation as it is found, and a table of outcomes."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from fuzz.lines import VALID
from fuzz.trial import OUTCOMES, Tried
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

console = Console(highlight=False, markup=False, soft_wrap=True)
EVERY = 100  # trials between two lines of progress where the output is no terminal


def campaign(kind: str, seed: int, count: int, trials: Iterable[list[Tried]]) -> int:
    """Show the progress, each violation and, at the end, the table of outcomes; return 1 if there was a violation."""
    counts: Counter[tuple[str, str]] = Counter()
    report = Path("outputs/fuzz") / f"{kind}-{seed}.txt"
    report.parent.mkdir(parents=True, exist_ok=True)
    columns = (TextColumn("{task.description}"), BarColumn(None), MofNCompleteColumn(), TimeElapsedColumn(),
               TextColumn("left"), TimeRemainingColumn())  # fmt: skip
    with report.open("w", encoding="utf-8") as file, Progress(*columns, console=console, expand=True) as progress:
        task = progress.add_task("0 violations", total=count)
        for done, trial in enumerate(trials, 1):
            for tried in trial:
                counts[tried.words[0] if tried.words else "", tried.outcome] += 1
                if tried.violations:
                    text = described(tried, kind, seed)
                    file.write(f"{text}\n\n")
                    file.flush()
                    progress.console.print(text + "\n")
            violations = sum(number for (_, outcome), number in counts.items() if outcome == "violation")
            progress.update(task, advance=1, description=f"{violations} violation{'s' if violations != 1 else ''}")
            if not console.is_terminal and done % EVERY == 0:
                left = (progress.tasks[task].time_remaining or 0) / 60
                console.print(f"{done} of {count}, {violations} violations, about {left:.0f} minutes left")
    console.print(table_of(counts, f"{kind}, seed {seed}, {count} trials"))
    console.print(f"Violations are in {report}")
    return int(violations > 0)


def described(tried: Tried, kind: str, seed: int) -> str:
    """Return a violation in a few lines: what is wrong, the line, the output, and how to repeat it."""
    typed = tried.typed if len(tried.typed) < 1000 else f"{tried.typed[:1000]}…"
    shown = [line[:300] for line in tried.ended.err.strip().splitlines()[-2:]]
    repeat = f'make fuzz ARGS="{kind} --seed {seed} --only {tried.number}"'
    return "\n  ".join([f"{'; '.join(tried.violations)}:", typed, *shown, repeat])


def table_of(counts: Counter[tuple[str, str]], title: str) -> Table:
    """Return the number of lines by command and outcome."""
    outcomes = [*OUTCOMES.values(), "violation"]
    table = Table(title=title, title_justify="left")
    table.add_column("command")
    for outcome in (*outcomes, "all"):
        table.add_column(outcome, justify="right")
    known = {command.removesuffix("-sweep") for command in VALID}
    rows: dict[str, Counter[str]] = {}
    for (command, outcome), number in counts.items():
        rows.setdefault(command if command in known else "(no command)", Counter())[outcome] += number
    for command in sorted(rows):
        table.add_row(command, *(str(rows[command][each]) for each in outcomes), str(rows[command].total()))
    whole = [sum(row[each] for row in rows.values()) for each in outcomes]
    table.add_row("all", *map(str, whole), str(sum(whole)))
    return table
