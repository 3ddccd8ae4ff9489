import numpy as np
import pytest
import torch
from matplotlib import rcParams

from vae_lab.figures.image_grids import image_grid
from vae_lab.figures.style import Style, class_colours, current_style, drawn_in, new_figure, number, panels_in_a_row


def test_images_are_laid_row_by_row():
    images = torch.arange(5).view(5, 1, 1, 1).expand(5, 1, 2, 3) / 10
    grid = image_grid(images, columns=3)
    assert grid.shape == (2 * 3 + 1, 3 * 4 + 1, 3)
    corners = [(1, 1), (1, 5), (1, 9), (4, 1), (4, 5)]
    assert [grid[at].tolist() for at in corners] == [pytest.approx([i / 10] * 3) for i in range(5)]
    assert (grid[4:, 9:] == 1).all()


def test_gaps_keep_images_apart():
    grid = image_grid(torch.zeros(4, 1, 2, 2), columns=2, gap=2, background=0.5)
    assert grid.shape == (10, 10, 3)
    assert (grid == 0).sum() == 4 * 4 * 3
    assert (grid[:2] == 0.5).all()


def test_values_beyond_0_and_1_are_cut():
    grid = image_grid(torch.tensor([-3.0, 7.0]).view(2, 1, 1, 1), columns=2, gap=0)
    assert grid[0, :, 0].tolist() == [0, 1]


def test_colours_are_kept():
    grid = image_grid(torch.tensor([0.1, 0.2, 0.3]).view(1, 3, 1, 1), columns=1, gap=0)
    np.testing.assert_allclose(grid[0, 0], [0.1, 0.2, 0.3], rtol=1e-6)


@pytest.mark.parametrize("n", [2, 10, 11, 40])
def test_no_two_classes_share_a_colour(n):
    assert len({str(colour) for colour in class_colours(n)}) == n


def test_a_style_holds_inside_its_block_alone():
    with drawn_in(Style(font_size=5)):
        assert current_style().font_size == 5
        with drawn_in(Style(dpi=33)):
            assert (current_style().points, current_style().dpi) == (10, 33)
        assert current_style().font_size == 5
    assert current_style() == Style()


@pytest.mark.parametrize(
    ("width", "font_size", "points"),
    [(None, None, 10), (6.5, None, 10), (3.3, None, 7), (1.65, None, 3.5), (3.3, 9, 9), (None, 8, 8)],
)
def test_text_is_smaller_in_a_narrow_figure_unless_its_size_is_given(width, font_size, points):
    style = Style(width=width, font_size=font_size)
    with drawn_in(style):
        assert rcParams["font.size"] == pytest.approx(points)
    assert style.scale == pytest.approx(points / 10)


def test_the_title_can_be_left_out_and_takes_its_room_with_it():
    heights = []
    for shown in (True, False):
        with drawn_in(Style(title=shown)):
            figure = new_figure(7, 3, "what it shows", "model=dense")
        assert figure.get_suptitle() == ("what it shows\nmodel=dense" if shown else "")
        heights.append(figure.get_figheight())
    assert heights[0] - heights[1] == pytest.approx(2 * 1.3 * 9.5 / 72)


def test_long_titles_are_wrapped_to_the_width():
    for width in (None, 3.3):
        with drawn_in(Style(width=width)):
            figure = new_figure(7, 3, "word " * 40, "")
        lines = figure.get_suptitle().splitlines()
        assert max(map(len, lines)) <= 7 * 14  # in a narrow figure, letters are smaller in proportion
        assert " ".join(lines) == ("word " * 40).strip()


def test_in_a_narrow_figure_images_shrink_with_the_width_and_plots_with_their_text():
    with drawn_in(Style(width=3.5, font_size=8, title=False)):
        figure = new_figure(7, 5, "", "", pictures=2)
    assert figure.get_figwidth() == 3.5
    assert figure.get_figheight() == pytest.approx(2 * 0.5 + 3 * 0.8 + 4 / 72)


def test_panels_stand_below_each_other_where_the_width_has_no_room():
    assert panels_in_a_row(3, 2.0) == 3
    for width, columns in ((6.5, 3), (4.5, 2), (1.0, 1)):
        with drawn_in(Style(width=width, font_size=10)):
            assert panels_in_a_row(3, 2.0) == columns


@pytest.mark.parametrize(("value", "spec", "shown"), [(-1.5, ".2f", "−1.50"), (2, "g", "2"), (-1e-9, "g", "−1e−09")])
def test_numbers_have_the_minus_sign_of_the_axes(value, spec, shown):
    assert number(value, spec) == shown


@pytest.mark.parametrize("dpi", [72, 80, 110, 150])
def test_a_title_of_settings_does_not_leave_the_figure(dpi):
    settings = (
        "dense, soft_intro_vae/mse on mnist, latent_dim=32, β=1, β_neg=128, 4 epochs as a VAE, 20000 training images, "
        "9 epochs, seed 0"
    )
    with drawn_in(Style(dpi=dpi)):
        figure = new_figure(7.8, 3.1, "Images", settings)
    figure.canvas.draw()
    extent = figure._suptitle.get_window_extent()
    assert extent.x0 >= 0
    assert extent.x1 <= 7.8 * dpi
