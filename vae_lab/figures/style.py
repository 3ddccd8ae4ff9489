"""How figures look: a palette for colour-blind readers, and the style that the user chooses with ``figures.style``."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from textwrap import wrap
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Le, MinLen
from matplotlib import colormaps, rc_context
from matplotlib.figure import Figure
from matplotlib.textpath import TextPath
from matplotlib.typing import ColorType

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#777777"  # Okabe & Ito 2008
# Paul Tol's "muted" scheme: ten colours that remain distinguishable with all common colour vision deficiencies.
_MUTED = [
    "#332288",
    "#88CCEE",
    "#44AA99",
    "#117733",
    "#999933",
    "#DDCC77",
    "#CC6677",
    "#882255",
    "#AA4499",
    "#BBBBBB",
]

Format = Literal["png", "pdf", "svg"]
KEY = "style"  # the entry of the group ``figures`` that is no figure
_POINTS = 10.0  # matplotlib's usual size of text
_POINTS_PER_INCH = 7 / 3.3  # every figure has room for text of this size in relation to its width


@dataclass(frozen=True)
class Style:
    """The look of all figures of a command, ``figures.style``.

    Args:
        format: the kind of file, or several; PDF and SVG are vector graphics, in which only images of data are pixels.
        dpi: pixels per inch of PNG files.
        title: whether a title with the run's key settings stands above each figure; a paper has captions instead.
        width: width in inches, e.g. that of a column; None: each figure has its own.
        font_size: size of the labels of axes in points; other text is in proportion. None: 10 points, or fewer in a
            narrow figure, 7 at a column's 3.3 inches, so that its text fits.
    """

    format: Format | Annotated[Sequence[Format], MinLen(1)] = "png"
    dpi: Annotated[int, Ge(20), Le(1200)] = 120
    title: bool = True
    width: Annotated[float, Ge(1), Le(40)] | None = None
    font_size: Annotated[float, Ge(2), Le(40)] | None = None

    @property
    def formats(self) -> list[Format]:
        """The kinds of file, each once."""
        return [self.format] if isinstance(self.format, str) else list(dict.fromkeys(self.format))

    @property
    def points(self) -> float:
        """The size of the labels of axes."""
        if self.font_size is not None:
            return self.font_size
        return _POINTS if self.width is None else min(_POINTS, _POINTS_PER_INCH * self.width)

    @property
    def scale(self) -> float:
        """The size of text as a multiple of matplotlib's usual size, which the figures are laid out for."""
        return self.points / _POINTS


_USUAL = Style()
_current: ContextVar[Style] = ContextVar("style", default=_USUAL)


@contextmanager
def drawn_in(style: Style) -> Iterator[None]:
    """Inside the block, figures are drawn and saved in a style.

    Sizes such as ``fontsize="small"`` are relative to the style's. PDF files embed the fonts as TrueType, which
    journals ask for; the names of SVG elements are not random, so that equal figures are equal files.
    """
    token = _current.set(style)
    settings: Any = {
        "font.size": style.points,
        "lines.linewidth": 1.5 * style.scale,
        "lines.markersize": 4 * style.scale,
        "axes.titlesize": "small",
        "xtick.labelsize": "small",
        "ytick.labelsize": "small",
        "legend.fontsize": "small",
        "legend.title_fontsize": "small",
        "pdf.fonttype": 42,
        "svg.hashsalt": "vae-lab",
    }
    try:
        with rc_context(settings):
            yield
    finally:
        _current.reset(token)


def class_colours(n: int) -> list[ColorType]:
    """Return a colour for each of n classes; more than ten colours are taken from a perceptually uniform scale."""
    return list(_MUTED[:n]) if n <= len(_MUTED) else list(colormaps["viridis"](np.linspace(0, 1, n)))


def panels_in_a_row(panels: int, width: float) -> int:
    """Return how many panels stand side by side: all of them, or as many as the style's width has room for.

    Args:
        panels: the number of panels.
        width: inches that a panel needs at the usual size of text.
    """
    style = _current.get()
    return panels if style.width is None else max(1, min(panels, int(style.width / (width * style.scale))))


def new_figure(width: float, height: float, title: str, subtitle: str, pictures: float = 0) -> Figure:
    """Return an empty figure in the current style.

    Args:
        width: inches; at least 6.4, which the title needs. The style may ask for another width, and larger text makes
            a figure of its own width larger.
        height: inches of the content at this width and at the usual size of text; the title is added above.
        title: what the figure shows.
        subtitle: a line below the title, such as the run's key settings.
        pictures: inches of ``height`` that images take. They stay in proportion to the width; in a narrow figure,
            the rest does not shrink more than its text.
    """
    style, own = _current.get(), max(width, 6.4)
    wide, size = style.width or own * max(1, style.scale), 0.95 * style.points
    texts = (title, subtitle) if style.title else ()
    lines = [line for text in texts for line in balanced(text, letters(wide, size))]
    above = (1.3 * size * len(lines) + 4) / 72
    narrower = wide / own
    high = pictures * narrower + (height - pictures) * max(narrower, style.scale) + above
    figure = Figure(figsize=(wide, high), layout="constrained", dpi=style.dpi)
    if lines:
        figure.suptitle(literal("\n".join(lines)), fontsize=size)
    return figure


def balanced(text: str, width: int) -> list[str]:
    """Return a text in as few lines as it needs, all about equally long, so that no word stands alone in the last one.

    Args:
        text: is broken at its spaces.
        width: letters of a line at most.

    >>> balanced("A title that is a little too long", 30)
    ['A title that is a', 'little too long']
    """
    lines = wrap(text, width=width, break_on_hyphens=False)
    whole = partial(wrap, text, break_long_words=False, break_on_hyphens=False)
    narrowest = next((w for w in range(1, width) if len(whole(width=w)) <= len(lines)), 0)
    even = whole(width=narrowest) if narrowest else lines
    return even if max(map(len, even), default=0) <= width else lines


def wrapped(text: str, inches: float) -> str:
    """Return a label of an axis with line breaks, for an axis of this length."""
    return literal("\n".join(wrap(text, width=letters(inches, _current.get().points))))


def current_style() -> Style:
    """Return the style of the enclosing :func:`drawn_in`."""
    return _current.get()


def letters(inches: float, size: float) -> int:
    """Return how many letters of a size in points fit a line.

    The letters of a run's settings are 0.53 to 0.57 times as wide as they are high, depending on the resolution: the
    width of a letter is rounded to pixels.
    """
    return max(20, int(126 / size * inches))


def inches_of(texts: Sequence[str], size: float) -> float:
    """Return the width in inches of the longest line of some texts, in letters of a size in points."""
    lines = [line for text in texts for line in text.splitlines() if line.strip()]
    return (
        max((float(TextPath((0, 0), literal(line), size=size).get_extents().width) for line in lines), default=0) / 72
    )


def literal(text: str) -> str:
    """Return a text that matplotlib draws as it is, instead of typesetting what is between dollar signs."""
    return text.replace("$", r"\$")


def number(value: float, spec: str = "g") -> str:
    """Return a number as text with the minus sign of the axes, U+2212, instead of a hyphen.

    >>> number(-1.5, ".2f")
    '−1.50'
    """
    return format(value, spec).replace("-", "\N{MINUS SIGN}")


def significant(value: float, digits: int = 3) -> str:
    """Return a number with so many significant digits, trailing zeros among them; 0 alone has none.

    >>> significant(0.1, 2), significant(123.4), significant(-0.00012, 2)
    ('0.10', '123', '−0.00012')
    """
    return number(value, f"#.{digits}g").rstrip(".") if value else "0"
