import math

import pytest
import torch

from vae_lab.latents.lines import j_grid, line, slerp

A, B = torch.tensor([2.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 0.0])


def test_a_quarter_circle_has_the_known_values():
    half = math.sqrt(0.5)
    torch.testing.assert_close(slerp(A, B, 0.5), torch.tensor([2 * half, half, 0.0]))
    torch.testing.assert_close(slerp(A, B, 1 / 3), torch.tensor([math.sqrt(3), 0.5, 0.0]))  # sin 60°, sin 30°


def test_vectors_of_one_length_stay_on_the_sphere_at_even_angles():
    draws = torch.randn(2, 16, generator=torch.Generator().manual_seed(0))
    a, b = draws / draws.norm(dim=1, keepdim=True)
    codes = line(a, b, 7, spherical=True)
    torch.testing.assert_close(codes.norm(dim=1), torch.ones(7))
    angles = (codes[1:] * codes[:-1]).sum(1).arccos()
    torch.testing.assert_close(angles, torch.full((6,), float((a @ b).arccos() / 6)), atol=1e-5, rtol=0)


@pytest.mark.parametrize("b", [A, 3 * A, A + 1e-9, 0 * A])
def test_parallel_vectors_have_a_straight_line(b):
    torch.testing.assert_close(line(A, b, 5, spherical=True), line(A, b, 5))


def test_opposite_vectors_are_joined_by_half_a_circle():
    codes = line(A, -2 * A, 5, spherical=True)
    torch.testing.assert_close(codes.norm(dim=1), torch.linspace(2, 4, 5))
    torch.testing.assert_close(codes[2] @ A, torch.tensor(0.0), atol=1e-6, rtol=0)
    assert torch.equal(codes[-1], -2 * A)
    assert torch.equal(line(A[:1], -A[:1], 3, spherical=True), torch.tensor([[2.0], [0.0], [-2.0]]))


@pytest.mark.parametrize("spherical", [False, True])
def test_a_line_ends_exactly_at_its_ends(spherical):
    a, b = torch.randn(2, 33, generator=torch.Generator().manual_seed(1))
    codes = line(a, b, 4, spherical)
    assert torch.equal(codes[0], a)
    assert torch.equal(codes[-1], b)
    torch.testing.assert_close(line(a, b, 4)[1], a + (b - a) / 3)


def test_the_fourth_corner_is_the_analogy():
    a, b, c = torch.randn(3, 5, generator=torch.Generator().manual_seed(2))
    grid = j_grid(a, b, c, 4)
    assert torch.equal(grid[0, 0], a)
    assert torch.equal(grid[-1, 0], b)
    assert torch.equal(grid[0, -1], c)
    torch.testing.assert_close(grid[-1, -1], b + c - a)
    torch.testing.assert_close(grid[1, 2], a + (b - a) / 3 + 2 * (c - a) / 3)


def test_renorm_gives_the_fourth_corner_the_length_of_its_neighbours():
    a, b, c = torch.randn(3, 5, generator=torch.Generator().manual_seed(3))
    corner = j_grid(a, b, c, 3, renorm=True)[-1, -1]
    torch.testing.assert_close(corner.norm(), (b.norm() + c.norm()) / 2)
    torch.testing.assert_close(corner / corner.norm(), (b + c - a) / (b + c - a).norm())
    assert torch.equal(j_grid(b + c, b, c, 3, renorm=True)[-1, -1], torch.zeros(5))


def test_the_edges_of_a_spherical_grid_are_great_circles():
    a, b, c = torch.randn(3, 5, generator=torch.Generator().manual_seed(4))
    grid = j_grid(a, b, c, 5, spherical=True)
    torch.testing.assert_close(grid[:, 0], line(a, b, 5, spherical=True))
    torch.testing.assert_close(grid[:, -1], line(c, b + c - a, 5, spherical=True))
