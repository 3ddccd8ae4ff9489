"""Tables of scores, start-up, places of images, growth of cost, and the profile."""

from doc_tables import Table
from results import Results, Row

AXES = {
    "images": "images per epoch",
    "pixels": "pixels (three channels, 1,280 images)",
    "latent_dim": "latent_dim",
    "batch size": "batch size",
}


def part_tables(results: Results) -> dict[str, list[Table]]:
    """Return the tables of all parts for which there are measurements."""
    parts = {
        "start-up": (results.startup, lambda: [startup_table(results)]),
        "scoring": (results.scoring, lambda: [scoring_table(results)]),
        "storage": (results.storage, lambda: [storage_table(results)]),
        "growth": (results.growth, lambda: growth_tables(results)),
        "profile": (results.profile, lambda: [profile_table(results)]),
    }
    return {name: tables() for name, (rows, tables) in parts.items() if rows}


def scoring_table(results: Results) -> Table:
    """Return the seconds of each score for each model."""
    models = list(dict.fromkeys(row["model"] for row in results.scoring))
    names = list(dict.fromkeys(row["score"] for row in results.scoring))
    seconds = {(row["score"], row["model"]): row["seconds"] for row in results.scoring}
    rows = [[name, *(f"{seconds[name, model]:.1f}" for model in models)] for name in names]
    return Table("", ["seconds", *models], rows)


def storage_table(results: Results) -> Table:
    """Return the images per second of reading and of training for each place of the images, slowest first."""
    columns = list(dict.fromkeys((row["what"], row["batch"]) for row in results.storage))
    places = list(dict.fromkeys(row["where"] for row in results.storage))
    found = {(row["where"], row["what"], row["batch"]): row["images_per_second"] for row in results.storage}
    rows = [
        [where, *(f"{found[where, *column]:,.0f}" if (where, *column) in found else "–" for column in columns)]
        for where in places
    ]
    return Table("", ["images/s", *(f"{what}, batch {batch}" for what, batch in columns)], rows)


def startup_table(results: Results) -> Table:
    """Return the total waiting times, and the parts of the time to the first step, longest first."""
    totals = [row for row in results.startup if not row.get("part")]
    parts = sorted((row for row in results.startup if row.get("part")), key=lambda row: -row["seconds"])
    return Table(
        "",
        ["", "seconds"],
        [
            [f"**{row['what']}**" if row in totals else row["what"], f"{row['seconds']:.2f}"]
            for row in [*totals, *parts]
        ],
    )


def growth_tables(results: Results) -> list[Table]:
    """Return one table per varied setting: the time of a step for each value and model (of images also of an epoch)."""
    tables = [_growth_table(caption, [row for row in results.growth if row["axis"] == axis], axis == "images")
              for axis, caption in AXES.items()]  # fmt: skip
    sweeps = [row for row in results.growth if row["axis"] == "runs"]
    return [table for table in [*tables, _sweep_table(sweeps)] if table.rows]


def _growth_table(caption: str, rows: list[Row], epochs: bool) -> Table:
    models = list(dict.fromkeys(row["model"] for row in rows))
    found = {(row["value"], row["model"]): row for row in rows}
    columns = [caption, *(f"{model}: ms per step" for model in models)]
    columns += [f"{model}: s per epoch" for model in models] if epochs else []
    lines = []
    for value in sorted({row["value"] for row in rows}):
        known = [found.get((value, model)) for model in models]
        cells = [f"{1000 * row['step_seconds']:.3g}" if row else "–" for row in known]
        cells += [f"{row['epoch_seconds']:.3g}" if row else "–" for row in known] if epochs else []
        lines.append([f"{value:,}", *cells])
    return Table("", columns, lines)


def _sweep_table(rows: list[Row]) -> Table:
    launchers = list(dict.fromkeys(row["model"] for row in rows))
    found = {(row["value"], row["model"]): row["sweep_seconds"] for row in rows}
    lines = [
        [str(runs), *(f"{found[runs, each]:.1f}" if (runs, each) in found else "–" for each in launchers)]
        for runs in sorted({row["value"] for row in rows})
    ]
    return Table("", ["runs in a sweep", *(f"launcher={each}: s" for each in launchers)], lines)


def profile_table(results: Results) -> Table:
    """Return the parts of a run with their seconds and shares, longest first."""
    rows = sorted(results.profile, key=lambda row: -row["seconds"])
    total = sum(row["seconds"] for row in rows)
    training = sum(row["seconds"] for row in rows if row["part"].startswith("training"))
    lines = [[row["part"], f"{row['seconds']:.2f}", f"{100 * row['share']:.1f} %"] for row in rows if row["seconds"]]
    summary = [["**training in all**", f"{training:.2f}", f"{100 * training / total:.1f} %"]] if rows else []
    return Table("", ["", "seconds", "share"], summary + lines)
