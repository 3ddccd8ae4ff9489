"""Tables of the race: images per second with their range, ratios within each round, shares of the arithmetic limit."""

from collections import defaultdict
from dataclasses import dataclass
from statistics import median

from cases import Case
from doc_tables import Table
from results import Results, Row

FLOOR = "hand loop"


@dataclass(frozen=True)
class Spread:
    """A median with the lowest and the highest value."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> "Spread":
        """Return the spread of a list of at least one value."""
        return cls(median(values), min(values), max(values))

    def text(self, form: str) -> str:
        """Return e.g. ``1.02 (0.99–1.05)``, or ``1.02`` for a single round."""
        middle, low, high = (format(value, form) for value in (self.middle, self.low, self.high))
        return middle if low == high else f"{middle} ({low}–{high})"


def of_case(results: Results, case: str) -> dict[str, list[Row]]:
    """Return the rows of the case by contestant."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in results.training:
        if row["case"] == case:
            found[row["contestant"]].append(row)
    return found


def ratios(rows: list[Row], floor: list[Row]) -> Spread | None:
    """Return the ratios to the floor, taken within each round; None if no round has both."""
    base = {row["round"]: row["images_per_second"] for row in floor}
    found = [row["images_per_second"] / base[row["round"]] for row in rows if row["round"] in base]
    return Spread.of(found) if found else None


def limit(results: Results, case: str, precision: str) -> float | None:
    """Return the images per second that the machine's best matrix rate would allow, or None if it was not measured."""
    rows = [row for row in results.limits if row["case"] == case]
    return max(row[precision] for row in rows) / rows[0]["operations"] if rows else None


def threads(machine: Row) -> str:
    """Return ``1 thread``, ``2 threads`` and so on."""
    return f"{machine['threads']} thread{'s' if machine['threads'] != 1 else ''}"


def race_tables(results: Results) -> list[Table]:
    """Return one table per case."""
    return [_race_table(results, Case.of_json(node)) for node in results.settings["cases"]]


def _race_table(results: Results, case: Case) -> Table:
    found = of_case(results, case.name)
    gpu = results.machine["kind"] == "cuda"
    columns = ["", "images/s", "times the hand loop", "share of the limit", "peak memory"]
    columns += ["on the GPU", "to the first step"] if gpu else ["to the first step"]
    names = [name for name in results.settings["about"] if name in found]
    rows = [_line(results, case.name, name, found[name], found.get(FLOOR, []), gpu) for name in names]
    bound = {precision: limit(results, case.name, precision) for precision in ("fp32", "bf16")}
    caption = f"{case.text}; {case.images:,} images in {-(-case.images // case.batch)} steps per epoch"
    if bound["fp32"] and bound["bf16"]:
        operations = next(row["operations"] for row in results.limits if row["case"] == case.name)
        caption += (f"; {operations / 1e6:.3g} million operations per image, so at most {bound['fp32']:,.0f} images/s "
                    f"(bf16: {bound['bf16']:,.0f})")  # fmt: skip
    return Table(caption, columns, rows)


def _line(results: Results, case: str, name: str, rows: list[Row], floor: list[Row], gpu: bool) -> list[str]:
    ratio, rate = ratios(rows, floor), Spread.of([row["images_per_second"] for row in rows])
    precision = "bf16" if "bf16" in name else "fp32"
    bound = limit(results, case, precision)
    first = [row["first_step"] for row in rows if row["first_step"] is not None]
    return [
        name,
        rate.text(",.0f"),
        ratio.text(".2f") if ratio else "–",
        f"{100 * rate.middle / bound:.0f} %" if bound else "–",
        f"{max(row['peak_mb'] for row in rows):,.0f} MB",
        *([f"{max(row['gpu_peak_mb'] for row in rows):,.0f} MB"] if gpu else []),
        f"{median(first):.1f} s" if first else "–",
    ]


def ratio_table(results: Results) -> Table:
    """Return the table of all cases and contestants with their ratios to the hand loop."""
    cases = [Case.of_json(node) for node in results.settings["cases"]]
    names = [name for name in results.settings["about"] if any(row["contestant"] == name for row in results.training)]
    rows = [[case.text, *(_cell(of_case(results, case.name), name) for name in names)] for case in cases]
    return Table("", ["", *names], rows)


def _cell(found: dict[str, list[Row]], name: str) -> str:
    rows, floor = found.get(name, []), found.get(FLOOR, [])
    if name == FLOOR and rows:
        return f"1 ({Spread.of([row['images_per_second'] for row in rows]).middle:,.0f} images/s)"
    ratio = ratios(rows, floor)
    return ratio.text(".2f") if ratio else "–"
