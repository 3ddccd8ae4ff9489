"""The plots of the page, drawn from the runs of one experiment."""

from collections.abc import Mapping

from vae_lab.compare.reading import Record
from vae_lab.figures.plots import Line, Plot


def curves_of(column: str, records: dict[str, Record], legend: str) -> Plot:
    """Return the plot of a column of metrics.csv over the epochs, with one line per run."""
    lines = []
    for style, (name, record) in enumerate(records.items()):
        rows = [row for row in record.history if column in row]
        x, y = [row["epoch"] for row in rows], [row[column] for row in rows]
        lines.append(Line(name, x, y, style=style, markers=len(x) < 15))
    title = f"{column} per epoch"
    return Plot(title, "epoch", f"{column}, nats per image", lines, subtitle=_settings(records), legend=legend)


def over(label: str, records: dict[float, Record], score: str) -> Line:
    """Return a score over a number of the config, with the half width of its interval as the error."""
    having = {place: record for place, record in records.items() if score in record.scores}
    halves = [(high - low) / 2 for low, high in (r.intervals.get(score, (0.0, 0.0)) for r in having.values())]
    return Line(
        label,
        list(having),
        [record.scores[score] for record in having.values()],
        error=halves,
        about=[f"{record.name}, bar: 95 %" for record in having.values()],
    )


def floor(records: dict[float, Record]) -> Line:
    """Return the horizontal line at the mean floor of the runs' FID."""
    floor = sum(record.scores["test/fid_floor"] for record in records.values()) / len(records)
    places = [min(records), max(records)]
    return Line(f"floor {floor:.2g}: real images", places, [floor, floor], markers=False, style=-1)


def protocol(records: Mapping[float, Record]) -> str:
    """Return the settings and the protocol of the FID that the runs share."""
    record = next(iter(records.values()))
    fid, epochs = record.protocol["fid"], record.config["epochs"]
    return (f"{_settings(records)}, {epochs} epochs; {fid['images']:,} images, {fid['features']}, "
            f"sha256 {fid['extractor_sha256'][:12]}…; bars: 95 %")  # fmt: skip


def _settings(records: Mapping[float, Record] | Mapping[str, Record]) -> str:
    """The settings that the runs share."""
    config = next(iter(records.values())).config
    shown = {"k1": "k1", "k2": "k2", "batch_size": "batch", "lr": "lr", "seed": "seed"}
    same = [f"{name}={config[key]:g}" for key, name in shown.items()
            if len({record.config[key] for record in records.values()}) == 1]  # fmt: skip
    limit = config["dataset"]["limit"]
    return ", ".join([f"{config['choices']['model']} on {config['dataset']['name']}", *same,
                      *([f"{limit:,} training images"] if limit else [])])  # fmt: skip
