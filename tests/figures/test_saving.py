import re

import numpy as np
import pytest
from helpers import FakeTrained, labelled
from PIL import Image

from vae_lab.figures.reconstructions import Reconstructions
from vae_lab.figures.saving import save_figure
from vae_lab.figures.style import Style, drawn_in, new_figure


def plotted(style: Style, width: float = 7.2):
    with drawn_in(style):
        figure = new_figure(width, 4, "a title", "model=dense")
        axes = figure.subplots()
        axes.plot([-1, 1], [0, 2], label="a line")
        axes.set(xlabel="x", ylabel="y")
    return figure


def test_each_format_has_a_file_of_its_kind(tmp_path):
    style = Style(["png", "pdf", "svg", "png"])
    files = save_figure(plotted(style), tmp_path / "figures", "curves", style)
    assert [path.name for path in files] == ["curves.png", "curves.pdf", "curves.svg"]
    starts = [path.read_bytes()[:5] for path in files]
    assert (starts[0][1:4], starts[1], starts[2]) == (b"PNG", b"%PDF-", b"<?xml")


@pytest.mark.parametrize("kind", ["png", "pdf", "svg"])
def test_the_same_figure_gives_the_same_file_without_a_date(tmp_path, kind):
    style = Style(kind)
    contents = [save_figure(plotted(style), tmp_path / name, "a", style)[0].read_bytes() for name in "bc"]
    assert contents[0] == contents[1]
    assert b"CreationDate" not in contents[0]
    assert b"<dc:date>" not in contents[0]


def test_the_fonts_of_a_pdf_are_embedded_as_truetype(tmp_path):
    style = Style("pdf")
    content = save_figure(plotted(style), tmp_path, "a", style)[0].read_bytes()
    assert b"/FontFile2" in content
    assert b"/Subtype /Type3" not in content


def test_a_plot_is_drawn_and_images_keep_their_own_pixels(tmp_path):
    style = Style("svg")
    plot = save_figure(plotted(style), tmp_path, "plot", style)[0].read_text()
    assert "<image" not in plot
    with drawn_in(style):
        figure = Reconstructions(columns=3, rows=1)(FakeTrained(labelled(6, (1, 5, 7))))
    grid = save_figure(figure, tmp_path, "grid", style)[0].read_text()
    sizes = re.findall(r'<image [^>]*?width="(\d+)" height="(\d+)"', grid.replace("\n", " "))
    assert sizes == [(str(3 * 8 + 1), str(2 * 6 + 1))]


def test_resolution_and_width_are_those_of_the_style(tmp_path):
    style = Style("png", dpi=200, width=3.3)
    with Image.open(save_figure(plotted(style), tmp_path, "a", style, crop=True)[0]) as picture:
        assert picture.width == 660
        assert picture.info["dpi"] == pytest.approx((200, 200), abs=0.1)


def test_files_are_replaced_only_when_they_are_whole(tmp_path, monkeypatch):
    style = Style(["png", "pdf"])
    files = save_figure(plotted(style), tmp_path, "a", style)
    before = [path.read_bytes() for path in files]
    other = plotted(style)
    other.axes[0].plot([0, 1], [3, 3])

    def fail(file, **more):
        file.write_bytes(b"half of a figure")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(other, "savefig", fail)
    with pytest.raises(OSError, match="No space"):
        save_figure(other, tmp_path, "a", style)
    assert [path.read_bytes() for path in files] == before
    assert len(list(tmp_path.iterdir())) == 2


def test_crop_shows_what_lies_outside_unless_the_width_is_fixed(tmp_path):
    def saved(style: Style) -> np.ndarray:
        figure = plotted(style)
        with drawn_in(style):
            figure.axes[0].legend(bbox_to_anchor=(1.2, 1), loc="upper left").set_in_layout(True)
            figure.set_layout_engine("none")
        return np.asarray(Image.open(save_figure(figure, tmp_path, "a", style, crop=True)[0]))

    assert saved(Style(dpi=50)).shape[1] > saved(Style(dpi=50, width=7.2)).shape[1] == 360
