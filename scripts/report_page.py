"""Builds one page of the report's experiments: for each figure, what the report states and whether that holds here.

    python scripts/report_page.py outputs/report

The folder is the output of ``scripts/reproduce_report.sh``. Every sentence is derived from the scores that the runs
saved; the page states which experiments are missing.
"""

import base64
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise
from pathlib import Path
from string import Template

import torch
from plotly.offline import get_plotlyjs

import vae_lab
import vae_lab.compare
from vae_lab.compare.reading import Record, read
from vae_lab.compare.views.interactive import figure
from vae_lab.config.node import Node
from vae_lab.figures.plots import Line, Plot
from vae_lab.functional import noised
from vae_lab.system.files import write_atomically

CSS = (Path(vae_lab.compare.__file__).parent / "views" / "page.css").read_text(encoding="utf-8")
MISSING = "Not run, or not finished."
NOISE = 1000  # images of noise that the classifier classifies
COLLAPSED = 0.1  # KL in nats per image below which the posterior has collapsed, as in the metric latent_use


@dataclass
class Section:
    """A figure of the report, with the corresponding result here."""

    title: str
    states: str  # what the report states
    seen: str  # what the runs here show
    plots: list[Plot] = field(default_factory=list)
    pictures: list[tuple[Path, str]] = field(default_factory=list)  # with their captions


class Report:
    """The runs of the report's experiments.

    Args:
        folder: the output of ``scripts/reproduce_report.sh``, with one folder per experiment.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def runs(self, experiment: str) -> list[Record]:
        """Return the finished runs of an experiment."""
        records = (read(path.parent) for path in sorted((self.folder / experiment).glob("*/results.json")))
        return [record for record in records if record.finished]

    def by(self, experiment: str, value: Callable[[Node], float]) -> dict[float, Record]:
        """Return the finished runs of an experiment by a number of their config, sorted by this number."""
        return dict(sorted((value(record.config), record) for record in self.runs(experiment)))


def sections(report: Report) -> Iterable[Section]:
    """Return the sections of the page in the order of the report."""
    dims = report.by("latent_dim", lambda config: config["latent_dim"])
    as_run = report.by("latent_dim_as_run", lambda config: config["latent_dim"])
    weights = report.by("loss_weights", lambda config: config["k1"] / (config["k1"] + config["k2"]))
    dense = report.by("dense_epochs", lambda config: config["epochs"])
    noisy = next(iter(report.runs("dense_noise")), None)
    yield curves(dims)
    yield dimension(dims)
    yield against_the_code(dims, as_run)
    yield proportion(weights)
    yield dense_runs(dense, noisy)
    yield cnn_and_dense(dims, dense)
    yield latent_space(dims, weights)
    yield noise_to_digit(next(iter(report.runs("robustness")), None))
    generated = next(iter(report.runs("generate")), None)
    yield generation(generated)
    yield labels(generated)


def curves(dims: dict[float, Record]) -> Section:
    """Return the section on the loss per epoch for each latent dimension."""
    seen = MISSING
    if dims:
        last = {n: record.history[-1] for n, record in dims.items()}
        best = min(last, key=lambda n: last[n]["val/loss"])
        fell = all(record.history[0]["val/loss"] > record.history[-1]["val/loss"] for record in dims.values())
        gap = {n: row["val/loss"] - row["train/loss"] for n, row in last.items()}
        worst = max(gap, key=lambda n: gap[n])
        seen = (
            f"{_holds(fell, True)} {'All' if fell else 'Not all'} curves fall. Lowest validation loss after the last "
            f"epoch at {best:g} dimensions ({last[best]['val/loss']:.2f}). "
            f"Training and validation stay together: the largest gap is {gap[worst]:.2f}, at {worst:g}."
        )
    named = {f"{n:g}": record for n, record in dims.items()}
    plots = [_curves(f"{split}/loss", named, "latent_dim") for split in ("train", "val")] if dims else []
    return Section(
        "Loss curves per latent dimension",
        "Train and test loss per epoch for each latent dimension. Here, the held-out part of the training images (val) "
        "takes the place of the test set during training.",
        seen,
        plots,
    )


def dimension(dims: dict[float, Record]) -> Section:
    """Return the section on the FID over the latent dimension."""
    states = "A U with its best at 16 dimensions (FID 15.77 on the report's own classifier)."
    if len(dims) < 3:
        return Section("FID against latent dimension", states, MISSING)
    fid = {n: record.scores["test/fid"] for n, record in dims.items()}
    best, values = min(fid, key=lambda n: fid[n]), list(fid.values())
    place = values.index(fid[best])
    falls = all(a > b for a, b in pairwise(values[: place + 1]))
    rises = all(a < b for a, b in pairwise(values[place:]))
    shape = f"{_holds(falls and rises, False)} {'A U' if falls and rises else 'Not a clean U'}:"
    values_text = ", ".join(f"{n:g}: {value:.0f}" for n, value in fid.items())
    values_text += "".join(
        f". At {n:g} dimensions the posterior collapsed (KL {record.scores['test/kl']:.2g} nats): every sample is the "
        "mean image, so this point says nothing about the dimension"
        for n, record in dims.items()
        if record.scores["test/kl"] < COLLAPSED
    )
    lines = [
        _over("samples", dims, "test/fid"),
        _over("reconstructions", dims, "test/fid_reconstructions"),
        _floor(dims),
    ]
    plot = Plot(
        "FID against latent dimension",
        "latent dimension",
        "FID (lower is better)",
        lines,
        subtitle=_protocol(dims),
        log_x=True,
        log_y=True,
    )
    seen = f"{_holds(best == 16, False)} Lowest at {best:g} dimensions. {shape} FID of samples {values_text}."
    return Section("FID against latent dimension", states, seen, [plot])


def against_the_code(dims: dict[float, Record], as_run: dict[float, Record]) -> Section:
    """Return the section that compares the report's equation with the weighting in the published code."""
    title, both = "The equation, and the code as it was run", sorted(set(dims) & set(as_run))
    states = (
        "The report's code averages the KL over batch and dimensions, so that its weight is 2/(batch·dimensions) "
        "times the weight in the report's equation: the model is nearly a plain autoencoder."
    )
    if not both:
        return Section(title, states, MISSING)
    pairs = "; ".join(
        f"{n:g} dimensions: FID {dims[n].scores['test/fid']:.0f} and {as_run[n].scores['test/fid']:.0f}, "
        f"KL {dims[n].scores['test/kl']:.1f} and {as_run[n].scores['test/kl']:.1f} nats"
        for n in both
    )
    lines = [_over("equation", dims, "test/fid"), _over("code as run", as_run, "test/fid")]
    plot = Plot(
        title,
        "latent dimension",
        "FID of samples from N(0, I) (lower is better)",
        lines,
        subtitle=_protocol(as_run),
        log_x=True,
        log_y=True,
    )
    higher = all(as_run[n].scores["test/kl"] > dims[n].scores["test/kl"] for n in both)
    holds = _holds(higher, False)
    return Section(
        title, states, f"{holds} The code's weighting lets the KL grow: {pairs} (equation and code).", [plot]
    )


def proportion(weights: dict[float, Record]) -> Section:
    """Return the section on the FID over the proportion of reconstruction."""
    title, states = "FID against the proportion of reconstruction", "Best in the middle of k1/(k1+k2) from 0 to 1."
    if len(weights) < 3:
        return Section(title, states, MISSING)
    fid = {share: record.scores["test/fid"] for share, record in weights.items()}
    best = min(fid, key=lambda share: fid[share])
    inside = 0 < best < 1
    near = [f"{share:g}: {value:.0f}" for share, value in fid.items()]
    plot = Plot(
        title,
        "proportion of reconstruction k1/(k1+k2)",
        "FID of samples (lower is better)",
        [_over("samples", weights, "test/fid"), _floor(weights)],
        subtitle=_protocol(weights),
    )
    where = "in the middle" if 0.25 <= best <= 0.75 else "inside, not in the middle," if inside else "at an end"
    seen = (
        f"{_holds(0.25 <= best <= 0.75, inside)} The lowest lies {where} at {best:g} (FID {fid[best]:.0f}); "
        f"all: {', '.join(near)}."
    )
    return Section(title, states, seen, [plot])


def dense_runs(dense: dict[float, Record], noisy: Record | None) -> Section:
    """Return the section on the dense model with more epochs and with noise."""
    title = "Dense model: epochs and noise"
    states = "FID 25.93 after 20 epochs, 26.50 after 50, 28.47 after 20 with noise (σ 0.4 on half of the images)."
    if len(dense) < 2 or noisy is None:
        return Section(title, states, MISSING)
    (few, first), (many, longer) = list(dense.items())[:2]
    a, b, c = (record.scores["test/fid"] for record in (first, longer, noisy))
    seen = (
        f"{_holds(c > a, False)} Noise makes FID {'worse' if c > a else 'no worse'}: {a:.1f} without, {c:.1f} with "
        f"(after {few:g} and {noisy.config['epochs']} epochs). {_holds(b >= a, False)} More epochs "
        f"{'do not improve it' if b >= a else 'improve it'}: {a:.1f} after {few:g}, {b:.1f} after {many:g}."
    )
    named = {f"{many:g} epochs": longer, f"{few:g} epochs": first, f"{noisy.config['epochs']} with noise": noisy}
    plots = [_curves(f"{split}/loss", named, "dense model") for split in ("train", "val")]
    return Section(title, states, seen, plots)


def cnn_and_dense(dims: dict[float, Record], dense: dict[float, Record]) -> Section:
    """Return the section that compares the scores and reconstructions of the CNN and the dense model."""
    title, states = "Reconstructions: dense and CNN", "Ten test digits through both models; the CNN is ahead."
    cnn = dims.get(16)
    same = [record for record in dense.values() if cnn and record.config["epochs"] == cnn.config["epochs"]]
    if cnn is None or not dense:
        return Section(title, states, MISSING)
    other = (same or list(dense.values()))[0]
    pairs = [(name, cnn.scores[f"test/{name}"], other.scores[f"test/{name}"]) for name in ("fid", "loss", "recon")]
    pairs_text = ", ".join(f"{name} {a:.4g} and {b:.4g}" for name, a, b in pairs)
    holds = _holds(all(a < b for _, a, b in pairs), pairs[0][1] < pairs[0][2])
    seen = (
        f"{holds} CNN and dense at {cnn.config['latent_dim']} and {other.config['latent_dim']} dimensions after "
        f"{cnn.config['epochs']} and {other.config['epochs']} epochs: {pairs_text} (lower is better)."
    )
    pictures = [
        (cnn.path / "figures/reconstructions.png", "CNN"),
        (next(iter(dense.values())).path / "figures/reconstructions.png", "dense"),
    ]
    return Section(title, states, seen, pictures=pictures)


def latent_space(dims: dict[float, Record], weights: dict[float, Record]) -> Section:
    """Return the section on the latent space: t-SNE of 256 dimensions, a scatter plot of two."""
    title, states = "Latent space", "t-SNE of 256 dimensions, coloured by label: clusters by digit; a scatter for two."
    wide, flat = dims.get(256), weights.get(0.5)
    seen = MISSING
    if wide:
        seen = "The pictures are below."
        knn = wide.scores.get("test/knn_accuracy")
        if knn is not None:
            seen = (
                f"{_holds(knn > 0.9, knn > 0.7)} The nearest neighbours of a code predict its digit correctly for "
                f"{100 * knn:.1f} % of the test images (256 dimensions)."
            )
    pictures = [
        (record.path / "figures/latent_space.png", caption)
        for record, caption in ((wide, "256 dimensions, t-SNE"), (flat, "2 dimensions"))
        if record
    ]
    return Section(title, states, seen, pictures=pictures)


def noise_to_digit(record: Record | None) -> Section:
    """Return the section on noise images passed through the trained model, and on the other robustness scores."""
    title = "Robustness: noise in, digit out"
    states = "An image of Gaussian noise goes through the trained model and comes out as a plausible digit."
    if record is None:
        return Section(title, states, MISSING)
    noise, digits = _confidence(record.path)
    names = {"mean squared error to the clean image at noise σ 0.4": "denoising_mse",
             "without the model": "denoising_input_mse", "AUROC by ELBO of uniform noise": "ood_auroc_uniform_elbo",
             "of Gaussian noise": "ood_auroc_gaussian_elbo", "of rotated digits": "ood_auroc_rotated_elbo"}  # fmt: skip
    scores = {text: record.scores.get(f"test/{name}") for text, name in names.items()}
    scores_text = ", ".join(f"{text} {value:.3g}" for text, value in scores.items() if value is not None)
    seen = (
        f"{_holds(noise > 0.9 * digits, noise > 0.5 * digits)} A classifier's mean confidence in the model's outputs "
        f"for {NOISE:,} images of Gaussian noise is {100 * noise:.0f} %; for the reconstructions of as many test "
        f"digits it is {100 * digits:.0f} %. Also measured: {scores_text}."
    )
    captions = {"noise_to_digit": "noise in, digit out", "denoising": "denoising", "typical": "most and least typical",
                "ood_roc": "distinguishing other images from test images"}  # fmt: skip
    pictures = [(record.path / "figures" / f"{name}.png", caption) for name, caption in captions.items()]
    return Section(title, states, seen, pictures=pictures)


def _confidence(folder: Path) -> tuple[float, float]:
    """The classifier's mean confidence in the model's outputs for Gaussian noise and for test digits."""
    run = vae_lab.load_run(folder)
    evaluation, gaussian = run.evaluation, run.protocol["ood"]["gaussian"]
    normal = evaluation.noise("report page").normal(NOISE, *run.data.x_shape)
    noise = noised(torch.full_like(normal, gaussian["mean"]), gaussian["sigma"], normal)
    digits = torch.cat(list(run.data.clean("test", NOISE)))
    with torch.inference_mode():
        confidences = [
            evaluation.classifier(evaluation.reconstruct(x))[1].softmax(1).max(1).values for x in (noise, digits)
        ]
    return confidences[0].mean().item(), confidences[1].mean().item()


def generation(record: Record | None) -> Section:
    """Return the section on 1,024 generated samples."""
    title, states = "Generation", "1,024 images from z ~ N(0, I), saved as a grid and as arrays."
    if record is None:
        return Section(title, states, MISSING)
    fid, floor = record.scores["test/fid"], record.scores["test/fid_floor"]
    saved = sorted(path.name for path in (record.path / "samples").glob("*"))
    seen = (
        f"{_holds(len(saved) >= 2, False)} FID {fid:.0f} (real training images: {floor:.1f}). "
        f"Saved: {', '.join(saved) or 'nothing'}."
    )
    return Section(title, states, seen, pictures=[(record.path / "figures/samples.png", "1,024 samples")])


def labels(record: Record | None) -> Section:
    """Return the section on the distribution of the digits that the samples show."""
    title = "Label distribution"
    states = 'A classifier\'s labels of the generated digits, compared with a uniform distribution; "accuracy" 30–35 %.'
    if record is None:
        return Section(title, states, MISSING)
    results = json.loads((record.path / "results.json").read_text(encoding="utf-8"))
    shares = results["arrays"]["labels_generated"]
    shares = [share / sum(shares) for share in shares]
    most, least = max(shares), min(shares)
    uniform = sum(abs(share - 1 / len(shares)) for share in shares) / 2
    seen = (
        f"{_holds(uniform < 0.15, uniform < 0.3)} Near uniform: shares go from {100 * least:.1f} % (digit "
        f"{shares.index(least)}) to {100 * most:.1f} % (digit {shares.index(most)}), and {100 * uniform:.0f} % of the "
        "samples would have to change class to be uniform (total variation; the report does not state how its accuracy "
        "was computed)."
    )
    return Section(title, states, seen, pictures=[(record.path / "figures/label_shares.png", "shares of classes")])


def _holds(yes: bool, partly: bool) -> str:
    return "Holds." if yes else "Holds in part." if partly else "Does not hold here."


def _curves(column: str, records: dict[str, Record], legend: str) -> Plot:
    lines = []
    for style, (name, record) in enumerate(records.items()):
        rows = [row for row in record.history if column in row]
        x, y = [row["epoch"] for row in rows], [row[column] for row in rows]
        lines.append(Line(name, x, y, style=style, markers=len(x) < 15))
    title = f"{column} per epoch"
    return Plot(title, "epoch", f"{column}, nats per image", lines, subtitle=_settings(records), legend=legend)


def _settings(records: Mapping[float, Record] | Mapping[str, Record]) -> str:
    """The settings that the runs share."""
    config = next(iter(records.values())).config
    shown = {"k1": "k1", "k2": "k2", "batch_size": "batch", "lr": "lr", "seed": "seed"}
    same = [f"{name}={config[key]:g}" for key, name in shown.items()
            if len({record.config[key] for record in records.values()}) == 1]  # fmt: skip
    limit = config["dataset"]["limit"]
    return ", ".join([f"{config['choices']['model']} on {config['dataset']['name']}", *same,
                      *([f"{limit:,} training images"] if limit else [])])  # fmt: skip


def _over(label: str, records: dict[float, Record], score: str) -> Line:
    having = {place: record for place, record in records.items() if score in record.scores}
    halves = [(high - low) / 2 for low, high in (r.intervals.get(score, (0.0, 0.0)) for r in having.values())]
    return Line(
        label,
        list(having),
        [record.scores[score] for record in having.values()],
        error=halves,
        about=[f"{record.name}, bar: 95 %" for record in having.values()],
    )


def _floor(records: dict[float, Record]) -> Line:
    floor = sum(record.scores["test/fid_floor"] for record in records.values()) / len(records)
    places = [min(records), max(records)]
    return Line(f"floor {floor:.2g}: real images", places, [floor, floor], markers=False, style=-1)


def _protocol(records: Mapping[float, Record]) -> str:
    record = next(iter(records.values()))
    fid, epochs = record.protocol["fid"], record.config["epochs"]
    return (f"{_settings(records)}, {epochs} epochs; {fid['images']:,} images, {fid['features']}, "
            f"sha256 {fid['extractor_sha256'][:12]}…; bars: 95 %")  # fmt: skip


PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>The report, reproduced</title>
<style>$css
:root { color-scheme: light; --back: #fff; --text: #1b1b1b; --line: #d5d8dc; }
figure { grid-template-columns: 1fr; margin: .5rem 0; }
img { max-width: 900px; image-rendering: auto; }
</style></head><body>
<h1>The report's experiments, reproduced</h1>
<p>$runs</p>
<p>The runs are in $folder and were made by scripts/reproduce_report.sh. The FID uses this project's classifier: its
order can be compared with the report's, but its values cannot.</p>
$body
<script type="application/json" id="data">$data</script>
<script>$plotly</script>
<script>
for (const [i, p] of JSON.parse(document.getElementById("data").textContent).entries())
  Plotly.newPlot("plot" + i, p.data, p.layout, {responsive: true, displaylogo: false});
</script></body></html>
"""


def page(content: list[Section], folder: Path) -> str:
    """Return the page as HTML that needs no other files.

    Args:
        content: the sections.
        folder: the output of ``scripts/reproduce_report.sh``.
    """
    plots = [plot for section in content for plot in section.plots]
    numbers = iter(range(len(plots)))
    body = "\n".join(_section(number, section, numbers) for number, section in enumerate(content, 1))
    data = json.dumps([figure(plot) for plot in plots], separators=(",", ":")).replace("<", "\\u003c")
    parts = {
        "runs": escape(_scale(Report(folder))),
        "css": CSS,
        "folder": escape(str(folder)),
        "body": body,
        "data": data,
        "plotly": get_plotlyjs(),
    }
    return Template(PAGE).substitute(parts)


def _scale(report: Report) -> str:
    """The number of runs, epochs and images, so that nobody mistakes a scaled-down reproduction for the full one."""
    parts = []
    for experiment in ("latent_dim", "latent_dim_as_run", "loss_weights", "dense_epochs", "dense_noise", "robustness"):
        configs = [record.config for record in report.runs(experiment)]
        if configs:
            epochs = " and ".join(sorted({str(config["epochs"]) for config in configs}, key=int))
            limit = configs[0]["dataset"]["limit"]
            images = f"{limit:,} training images" if limit else "all training images"
            parts.append(
                f"{experiment}: {len(configs)} run{'s' if len(configs) > 1 else ''}, {epochs} epochs, {images}"
            )
    full = "The report trained for 50 (latent_dim), 20 to 30 (loss_weights), 20 and 50 (dense) epochs on all images."
    return f"{full} Here: {'; '.join(parts)}."


def _section(number: int, section: Section, numbers: Iterator[int]) -> str:
    plots = "".join(f'<div class="plot" id="plot{next(numbers)}"></div>' for _ in section.plots)
    pictures = "".join(_picture(path, caption) for path, caption in section.pictures)
    return (
        f"<section><h2>{number}. {escape(section.title)}</h2>"
        f"<p><b>The report:</b> {escape(section.states)}</p><p><b>Here:</b> {escape(section.seen)}</p>"
        f"{plots}{pictures}</section>"
    )


def _picture(path: Path, caption: str) -> str:
    if not path.is_file():
        return f'<figure class="missing"><p>{escape(caption)}: no picture ({escape(path.name)} is missing)</p></figure>'
    data = base64.b64encode(path.read_bytes()).decode()
    source = f"data:image/png;base64,{data}"
    return f'<figure><figcaption>{escape(caption)}</figcaption><img alt="{escape(caption)}" src="{source}"></figure>'


def main() -> None:
    """Write ``report.html`` into the folder that was typed, and print the sentences of its sections."""
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        sys.exit("usage: python scripts/report_page.py <folder of scripts/reproduce_report.sh>")
    folder = Path(sys.argv[1])
    content = list(sections(Report(folder)))
    with write_atomically(folder / "report.html") as file:
        file.write(page(content, folder))
    for section in content:
        print(f"{section.title}: {section.seen}")
    print(f"\n{folder / 'report.html'}")


if __name__ == "__main__":
    main()
