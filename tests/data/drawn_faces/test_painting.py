import math

import pytest
import torch

from vae_lab.data.drawn_faces.painting import Canvas, bell, blend, box, bumps, ellipse, stroke


def numbers(*values):
    return torch.tensor(values).view(-1, 1, 1)


@pytest.mark.parametrize(("rx", "ry"), [(0.5, 0.5), (0.7, 0.3)])
def test_coverage_adds_up_to_the_area(rx, ry):
    canvas = Canvas(1, 64)
    where = canvas.window()
    covered = canvas.cover(ellipse(where.x, where.y, rx, ry)).sum() * canvas.pixel**2
    assert covered == pytest.approx(math.pi * rx * ry, rel=0.005)


def test_edges_are_grey_and_nothing_else_is():
    canvas = Canvas(1, 64)
    where = canvas.window()
    distance = ellipse(where.x, where.y, 0.5, 0.5)
    cover = canvas.cover(distance)
    grey = (cover > 0) & (cover < 1)
    assert torch.equal(grey, distance.abs() < canvas.pixel / 2)
    assert 64 < grey.sum() < 128  # about π · 32 pixels lie on the edge


def test_a_shape_moved_by_a_fraction_of_a_pixel_moves_its_centre_by_that_fraction():
    canvas = Canvas(3, 64)
    where = canvas.window()
    moved = numbers(0, 0.25, 0.5) * canvas.pixel
    cover = canvas.cover(ellipse(where.x - moved, where.y, 0.4, 0.4))
    centre = (cover * where.x).sum((1, 2)) / cover.sum((1, 2))
    torch.testing.assert_close(centre, moved.flatten(), rtol=0, atol=0.02 * canvas.pixel)


def test_distances_are_those_of_the_plane():
    x, y = torch.tensor([[[0.9]]]), torch.tensor([[[0.0]]])
    assert ellipse(x, y, 0.5, 0.3).item() == pytest.approx(0.4, abs=1e-4)
    assert box(x, y, 0.5, 0.3, 0.1).item() == pytest.approx(0.4)
    assert box(torch.tensor([[[0.8]]]), torch.tensor([[[0.7]]]), 0.5, 0.3, 0).item() == pytest.approx(0.5)
    assert stroke(x, y, (-0.5, 0.0), (0.5, 0.0), 0.1).item() == pytest.approx(0.3)


def test_a_window_has_the_pixels_that_a_rectangle_touches():
    canvas = Canvas(1, 64, edge=0.93)
    where = canvas.window(-0.2, -2, 0.3, 0.5)
    assert where.x.min() <= -0.2 + canvas.pixel
    assert where.x.max() >= 0.3 - canvas.pixel
    assert where.rows == slice(0, 50)
    part = canvas.pixels[:, :, where.rows, where.columns]
    assert part.shape[2:] == (where.y.shape[1], where.x.shape[2])


def test_slopes_of_bumps_are_derivatives():
    canvas = Canvas(1, 64)
    where = canvas.window()
    where.x.requires_grad_()
    where.y.requires_grad_()
    x0, y0, s, t, a = 0.1, -0.2, 0.3, 0.4, 0.5
    height = a * bell((where.x - x0) / s) * bell((where.y - y0) / t)
    across, down = bumps(where, torch.tensor([[[x0, y0, s, t, a]]]))
    dx, dy = torch.autograd.grad(height.sum(), (where.x, where.y))
    torch.testing.assert_close(across.sum(1, keepdim=True), dx, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(down.sum(2, keepdim=True), dy, rtol=1e-4, atol=1e-4)


def test_a_palette_is_met_at_its_colours_and_halfway_between():
    palette = torch.tensor([[0.0, 0.2, 0.4], [1.0, 0.4, 0.0], [0.5, 0.5, 0.5]])
    colours = blend(numbers(0.0, 0.25, 0.5, 1.0), palette)[:, :, 0, 0]
    torch.testing.assert_close(colours, torch.stack([palette[0], palette[:2].mean(0), palette[1], palette[2]]))
