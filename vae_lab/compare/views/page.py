"""Builds ``compare.html``: a single file, plotly included, that opens without a server or a network."""

import re
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from vae_lab.compare.choosing import chosen_by, first_ranked, how_marked
from vae_lab.compare.compared import Compared
from vae_lab.compare.plots.plotted import Choices, Panel, Plotted
from vae_lab.compare.protocols import letter
from vae_lab.compare.views.grids import PictureGrid, group_of
from vae_lab.compare.views.interactive import figure
from vae_lab.compare.views.links import links_of
from vae_lab.compare.views.rows import columns_of, rows_of, seed_rows_of
from vae_lab.compare.views.table import format_runs, format_score
from vae_lab.system.inline_json import inline_json

_HERE = Path(__file__).parent
_SCRIPTS = ("page.js", "page_runs.js", "page_print.js", "page_start.js")


def page_of(
    compared: Compared, plotted: Plotted, grids: Sequence[PictureGrid], drawable: int, mark: str, out: Path
) -> str:
    """Return the page as HTML.

    Args:
        compared: the runs.
        plotted: their plots.
        grids: samples and reconstructions of the best runs.
        drawable: the number of runs that could have grids.
        mark: a tag by which a later comparison recognises the page as the output of a comparison.
        out: the folder of the page, to which links to the runs are relative.
    """
    from plotly.offline import get_plotlyjs

    parts = {
        "mark": mark,
        "title": escape(_title(compared)),
        "css": (_HERE / "page.css").read_text(encoding="utf-8"),
        "sentences": "\n".join(f"<p>{escape(text)}</p>" for text in _sentences(compared)),
        "marked": escape(how_marked(compared, compared.show)),
        "protocols": _protocols(compared),
        "undrawn": "\n".join(f'<p class="undrawn">{escape(text)}</p>' for text in plotted.undrawn()),
        "grids": _grids(compared, grids, drawable),
        "data": inline_json(
            {**_data(compared, plotted), "runs": [links_of(record, out) for record in compared.records]}
        ),
        "plotly": get_plotlyjs(),
        "js": "\n".join((_HERE / name).read_text(encoding="utf-8") for name in _SCRIPTS),
    }
    template = (_HERE / "page.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match.group(1)], template)


def _data(compared: Compared, plotted: Plotted) -> dict[str, object]:
    return {
        "columns": columns_of(compared),
        "single": rows_of(compared),
        "seeds": seed_rows_of(compared) if compared.seeded else [],
        "plots": {
            "curves": {"": _choices(plotted.single_curves)},
            "curves over seeds": {"": _choices(plotted.curves)} if compared.seeded else {},
            "against": {score: _choices(choices) for score, choices in plotted.against.items()},
            "heat": {score: _choices(choices) for score, choices in plotted.heat_maps.items()},
            "rate": {"": {"": _panels(plotted.rate_distortion)}} if plotted.rate_distortion else {},
            "pareto": {"": {"": _panels(plotted.pareto)}} if plotted.pareto else {},
        },
    }


def _choices(choices: Choices) -> dict[str, list[dict[str, object]]]:
    return {name: _panels(panels) for name, panels in choices.items()}


def _panels(panels: Iterable[Panel]) -> list[dict[str, object]]:
    return [{"label": panel.label, **figure(panel.plot)} for panel in panels]


def _title(compared: Compared) -> str:
    return format_runs(len(compared.records)) + (f": {compared.common()}" if compared.common() else "")


def _sentences(compared: Compared) -> list[str]:
    """Return the sentences to read before comparing: unfinished runs, differing settings, datasets and protocols."""
    finished = sum(record.finished for record in compared.records)
    n = len(compared.records)
    differs = ", ".join(setting.name for setting in compared.settings) or "nothing but the seed"
    if n > 1:
        sentences = [f"{finished} of {n} runs are finished. The runs differ in {differs}."]
    else:
        sentences = [f"The run is {'' if finished else 'not '}finished."]
    datasets = {(record.config.get("dataset") or {}).get("name") for record in compared.records if record.config}
    if len(datasets) > 1:
        sentences.append(
            f"The runs use {len(datasets)} datasets ({', '.join(sorted(map(str, datasets)))}). "
            "Scores on different datasets are neither compared nor drawn on the same axes."
        )
    several = [score.name for score in compared.scores.values() if len(score.protocols) > 1]
    if several:
        sentences.append(
            f"These scores were measured under several protocols: {', '.join(several)}. Values measured under "
            "different protocols are not comparable. In the table, a letter states the protocol of a value, and the "
            "best value is marked within each protocol. Each protocol has separate plots."
        )
    return sentences


def _protocols(compared: Compared) -> str:
    """The explanation of the letters in the table, once for all scores that share the same protocols."""
    names_of: dict[tuple[str, ...], list[str]] = {}
    for score in compared.scores.values():
        if len(score.protocols) > 1:
            labels = tuple(score.protocols.label(n) for n in range(len(score.protocols)))
            names_of.setdefault(labels, []).append(score.name)
    return "".join(
        f"<p><b>{escape(', '.join(names))}</b><br>{'<br>'.join(escape(label) for label in labels)}</p>"
        for labels, names in names_of.items()
    )


def _grids(compared: Compared, grids: Sequence[PictureGrid], drawable: int) -> str:
    if not grids:
        if drawable:
            return "<p>No samples or reconstructions were requested (grids=0).</p>"
        return "<p>There is no finished run of a trained model to draw.</p>"
    first = first_ranked(compared)
    which = f"the best {len(grids)} of {drawable} runs" if len(grids) < drawable else f"all {drawable} runs"
    if drawable == 1:
        which = "the one run"
    elif first:
        groups = len({group_of(compared, first, grid.run) for grid in grids})
        which += f", best {chosen_by(compared, first).name} first"
        which += f" within each of {groups} datasets or protocols" if groups > 1 else ""
    head = (
        f"<p>Shown: {escape(which)}. "
        "Above: decoder means of 30 draws from the prior; runs with the same latent size decode the same draws. "
        "Below: ten test images (upper row), which are the same for all runs on a dataset, and their reconstructions "
        '(lower row). <span class="screen">A picture is enlarged when it is chosen.</span></p>'
    )
    return head + '<div class="grids">' + "".join(_grid(compared, grid) for grid in grids) + "</div>"


def _grid(compared: Compared, grid: PictureGrid) -> str:
    label = compared.label(grid.run)
    scores = [compared.scores[name] for name in compared.show[:2]]
    parts = [
        f"{s.name} {format_score(value)}" + (f" ({letter(value.protocol)})" if len(s.protocols) > 1 else "")
        for s in scores
        if (value := compared.value(s, (grid.run,)))
    ]
    caption = (
        f'<figcaption data-run="{grid.run}">{escape(label)}<br><small>{escape(", ".join(parts))}</small></figcaption>'
    )
    if grid.missing:
        return f'<figure class="missing">{caption}<p>not drawn: {escape(grid.missing)}</p></figure>'
    pictures = (("samples", grid.samples), ("test images, reconstructions", grid.reconstructions))
    return f"<figure>{caption}{''.join(_picture(source, f'{what}, {label}') for what, source in pictures)}</figure>"


def _picture(source: str, alt: str) -> str:
    """A picture that is enlarged when it is chosen."""
    image = f'<img src="{source}" alt="{escape(alt, quote=True)}">'
    return f'<button type="button" class="picture" title="Enlarge">{image}</button>'
