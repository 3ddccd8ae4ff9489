"""``vae-lab detect``: finds anomalies among given images, or measures how well two runs detect each other's images."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from rich.console import Console
from torch import Tensor

from vae_lab.commands.detect_pair import detect_pair
from vae_lab.commands.detect_with import runs_of, trained_on
from vae_lab.commands.images_of_user import AT_ONCE, given_for
from vae_lab.config.names import slug
from vae_lab.config.node import Node
from vae_lab.config.paths import expanded
from vae_lab.config.schema import check
from vae_lab.config.settings_of_use import DetectConfig
from vae_lab.data.images_for_model import ImagesForModel, refuse_missing
from vae_lab.errors import UserError
from vae_lab.evaluation.detection import Detected, usable_scores
from vae_lab.evaluation.detection import detect as find
from vae_lab.evaluation.parts import anomaly_scores_of, scores_named, style_of
from vae_lab.evaluation.trained import Evaluation
from vae_lab.figures.detection import histogram, sheet
from vae_lab.figures.saving import save_figure
from vae_lab.figures.style import Style, drawn_in
from vae_lab.metrics.anomaly_scores.judged import AnomalyScore, Judged
from vae_lab.metrics.common.conformal import exceedances
from vae_lab.runs.run import Run
from vae_lab.system.files import write_csv, write_json
from vae_lab.system.unfinished import unfinished


def detect(config: Node, console: Console) -> None:
    """Write ``<score>.csv``, ``<score>_histogram.png`` and ``<score>_sheet.png`` for every score, and a protocol.

    With ``against=``, see :func:`vae_lab.commands.detect_pair.detect_pair`.

    Args:
        config: the resolved config of the command.
        console: shows progress and what was found.

    Raises:
        UserError: the run is not finished or cannot judge images, a score makes no sense for it, the images cannot be
            read, or the output folder exists. Nothing has been written then.
    """
    settings = check(DetectConfig, config)
    if (settings.images is None) == (settings.against is None):
        raise UserError("type either images=<folder or array>, or against=<run of another dataset>")
    out = _out(settings)
    _refuse_early(settings)
    runs = runs_of(settings.run, "run", settings)
    others = [] if settings.against is None else runs_of(settings.against, "against", settings)
    if settings.images is not None:
        exceedances(settings.false_alarms, _held_out(settings, runs[0]))
    trained = trained_on(runs, "run", settings, console)
    scores, notes = usable_scores(trained, anomaly_scores_of(config), scores_named(config))
    console.print(trained.title, style="bold", markup=False, highlight=False, soft_wrap=True)
    for note in notes:
        console.print(note, markup=False, highlight=False, soft_wrap=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    with unfinished(out, folder=True) as folder:
        if settings.images is None:
            other = trained_on(others, "against", settings, console)
            detect_pair(trained, other, config, settings.n, folder, console)
        else:
            given = given_for(settings, runs[0], settings.images)
            held_out = _held_out(settings, runs[0])
            _detect_among(trained, scores, given, held_out, settings, folder, style_of(config), console)
        folder.chmod(0o755)
        folder.replace(out)
    console.print(f"Everything is in {out}", markup=False, highlight=False, soft_wrap=True)


def _out(settings: DetectConfig) -> Path:
    """The folder to write.

    Raises:
        UserError: it exists.
    """
    name = Path(settings.images).stem if settings.images else f"against-{Path(settings.against or '').name}"
    out = expanded(settings.out) if settings.out else expanded(settings.run) / "anomalies" / slug(name)
    if out.exists():
        raise UserError(f"{out} already exists and is not overwritten; type out=<another folder>")
    return out


def _refuse_early(settings: DetectConfig) -> None:
    """Refuse, before any model or data are loaded, what the settings alone show to be wrong.

    Raises:
        UserError: the images are not there, or so few held-out images allow no rate as low as the one typed.
    """
    if settings.images is not None:
        refuse_missing(settings.images)
        if settings.held_out is not None:
            exceedances(settings.false_alarms, settings.held_out)


def _held_out(settings: DetectConfig, run: Run) -> int:
    """The number of validation images that the threshold comes from."""
    return min(settings.held_out or len(run.data.val), len(run.data.val))


def _detect_among(
    trained: Evaluation,
    scores: Mapping[str, AnomalyScore],
    given: ImagesForModel,
    held_out: int,
    settings: DetectConfig,
    folder: Path,
    style: Style,
    console: Console,
) -> None:
    """Judge the given images by every score."""
    for note in given.notes:
        console.print(note, markup=False, highlight=False, soft_wrap=True)
    blocks = torch.arange(len(given)).split(AT_ONCE)

    def batches() -> Iterator[Tensor]:
        noise = trained.noise("given images, as received")
        for index in blocks:
            yield trained.data.as_received(given.read(index.tolist()).to(trained.device), noise)

    judged = Judged(batches, "given images", sizes=[len(index) for index in blocks])
    found = find(trained, scores, judged, settings.false_alarms, held_out)
    for one in found:
        _write(one, given, judged, trained, settings.shown, folder, style)
        flagged = f"{int(one.flagged.sum()):,} of {len(given):,} images flagged"
        line = f"{one.name}: {flagged}, those above {one.threshold:.4g}. {one.guarantee}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    place = str(expanded(settings.images or ""))
    notes = {"notes": " ".join(given.notes)} if given.notes else {}
    images = {"images": place, **given.about, **notes, "sha256": given.digest()}
    about = {"run": str(settings.run), "images": images, "scores": [one.protocol for one in found]}
    write_json(folder / "detection.json", about)


def _write(
    found: Detected, given: ImagesForModel, judged: Judged, trained: Evaluation, shown: int, folder: Path, style: Style
) -> None:
    """Write the table and the pictures of one score."""
    order = found.order
    columns = {
        given.named_by: [given.names[i] for i in order.tolist()],
        "score": found.scores[order].tolist(),
        "p_value": found.p_values[order].tolist(),
        "flagged": ["true" if flag else "false" for flag in found.flagged[order].tolist()],
    }
    write_csv(folder / f"{found.name}.csv", columns)
    with drawn_in(style):
        save_figure(histogram(found, trained.title), folder, f"{found.name}_histogram", style)
        names = columns[given.named_by][:shown]
        save_figure(sheet(found, names, judged.batches, trained), folder, f"{found.name}_sheet", style)
