"""Writes figures to files in the formats of the style; the same figure always gives the same file."""

import io
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from vae_lab.figures.style import Format, Style, drawn_in
from vae_lab.system.files import replaced

_USUAL = Style()
_NO_TIME: dict[Format, dict[str, Any]] = {"png": {}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}


def save_figure(figure: Figure, folder: Path, name: str, style: Style, crop: bool = False) -> list[Path]:
    """Write ``<folder>/<name>.png`` and so on, one file per format, each atomically.

    Args:
        figure: the figure.
        folder: is created if it does not exist.
        name: the name of the files without their ending.
        style: the formats and the resolution.
        crop: fit the files to what is drawn, which may be wider than the figure; not where the style sets a width.

    Returns:
        The files.
    """
    folder.mkdir(exist_ok=True, parents=True)
    paths = []
    for kind in style.formats:
        path = folder / f"{name}.{kind}"
        with replaced(path) as unfinished:
            _save(figure, unfinished, kind, style, crop)
        paths.append(path)
    return paths


def png_of_figure(figure: Figure, style: Style = _USUAL) -> bytes:
    """Return a figure as the content of a PNG file."""
    content = io.BytesIO()
    _save(figure, content, "png", style, crop=False)
    return content.getvalue()


def _save(figure: Figure, file: Path | io.BytesIO, kind: Format, style: Style, crop: bool) -> None:
    box = "tight" if crop and style.width is None else None
    with drawn_in(style):
        figure.savefig(file, format=kind, dpi=style.dpi, metadata=_NO_TIME[kind], bbox_inches=box)
