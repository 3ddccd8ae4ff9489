"""Tests of quantizers: the codes, the losses, the gradient and the running state, against their equations."""

import itertools

import pytest
import torch
from torch.nn import functional as F

from vae_lab.errors import UserError
from vae_lab.noise import SeededNoise
from vae_lab.quantizers import EMA, FSQ, LFQ, Codebook, Cosine, Residual
from vae_lab.quantizers.running_book import RESTARTED

NOISE = SeededNoise("cpu", 0)


def vectors(*shape: int, key: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(key))


def made(kind: type, *args, **more):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return kind(*args, **more)


ALL = {
    "codebook": lambda: made(Codebook, 7, 4),
    "ema": lambda: made(EMA, 7, 4),
    "cosine": lambda: made(Cosine, 7, 4),
    "fsq": lambda: FSQ([3, 4, 5, 3]),
    "lfq": lambda: LFQ(4),
    "residual": lambda: made(Residual, made(EMA, 7, 4), 3),
}
each = pytest.mark.parametrize("name", ALL)


@each
def test_shapes_and_the_vectors_of_the_codes(name):
    quantizer, h = ALL[name](), vectors(3, 4, 5, 2)
    found = quantizer.quantize(h)
    depth = (quantizer.depth,) if quantizer.depth > 1 else ()
    assert found.z.shape == h.shape
    assert found.codes.shape == (3, 5, 2, *depth)
    assert found.codes.dtype == torch.long
    assert 0 <= found.codes.min() <= found.codes.max() < quantizer.codes
    torch.testing.assert_close(quantizer.embed(found.codes), found.z.detach())
    assert all(loss.shape == (3,) for loss in found.losses.values())


@each
def test_the_gradient_passes_through_the_choice(name):
    quantizer, h = ALL[name](), vectors(3, 4, 5, 2).requires_grad_()
    weight = vectors(3, 4, 5, 2, key=1)
    (grad,) = torch.autograd.grad((quantizer.quantize(h).z * weight).sum(), h)
    if name == "fsq":  # through the bounding function
        assert (grad.sign() == weight.sign()).all()
    elif name == "cosine":  # through the normalisation
        torch.testing.assert_close((grad * h).sum(1), torch.zeros(3, 5, 2), rtol=0, atol=1e-5)
    else:
        torch.testing.assert_close(grad, weight)


@each
def test_vectors_of_any_places_are_quantised_alike(name):
    quantizer, h = ALL[name](), vectors(6, 4)
    codes = quantizer.quantize(h).codes
    assert torch.equal(quantizer.quantize(h.view(3, 2, 4).movedim(2, 1)).codes, codes.unflatten(0, (3, 2)))


def test_the_nearest_vector_is_chosen_and_both_losses_are_those_of_the_paper():
    quantizer, h = made(Codebook, 7, 4, commitment=0.5), vectors(3, 4, 5, 2).requires_grad_()
    found = quantizer.quantize(h)
    rows = h.detach().movedim(1, -1).reshape(-1, 4)
    assert torch.equal(found.codes.flatten(), torch.cdist(rows, quantizer.book.detach()).argmin(1))
    distance = (rows - quantizer.book.detach()[found.codes.flatten()]).square().sum(1).view(3, -1).sum(1)
    torch.testing.assert_close(found.losses["codebook"], distance)
    torch.testing.assert_close(found.losses["commitment"], 0.5 * distance)
    (of_book,) = torch.autograd.grad(found.losses["codebook"].sum(), quantizer.book, retain_graph=True)
    assert of_book.abs().sum() > 0
    assert torch.autograd.grad(found.losses["commitment"].sum(), quantizer.book, allow_unused=True)[0] is None
    assert torch.autograd.grad(found.losses["codebook"].sum(), h, allow_unused=True)[0] is None


def test_running_means_follow_their_equations_after_the_choice():
    quantizer, h = made(EMA, 5, 2, decay=0.9, restart_below=0.0), vectors(40, 2)
    usage, sums, book = quantizer.usage, quantizer.sums, quantizer.book
    codes = quantizer.quantize(h).codes
    quantizer.learn(h, codes, NOISE)
    for k in range(5):
        chosen = h[codes == k]
        n, m = 0.9 * usage[k] + 0.1 * len(chosen), 0.9 * sums[k] + 0.1 * chosen.sum(0)
        torch.testing.assert_close(quantizer.usage[k], n)
        torch.testing.assert_close(quantizer.book[k], m / n)
    assert quantizer.book is not book


@pytest.mark.parametrize("kind", [EMA, Cosine])
def test_a_code_that_nothing_chooses_keeps_its_vector(kind):
    """Also after so many steps that its running number and sum have vanished."""
    quantizer = made(kind, 2, 2, decay=0.5, restart_below=0.0)
    quantizer.book = torch.tensor([[-1.0, 0.0], [0.6, 0.8]])
    quantizer.sums = quantizer.book.clone()
    h = 0.1 * vectors(10, 2)
    for _ in range(200):
        quantizer.learn(h, torch.zeros(10, dtype=torch.long), NOISE)
    torch.testing.assert_close(quantizer.book[1], torch.tensor([0.6, 0.8]))
    assert quantizer.usage[1] < 1e-30
    quantizer.learn(h, torch.ones(10, dtype=torch.long), NOISE)
    expected = h.mean(0) if kind is EMA else F.normalize(F.normalize(h, dim=1).sum(0), dim=0)
    torch.testing.assert_close(quantizer.book[1], expected)


@pytest.mark.parametrize("kind", [EMA, Cosine])
def test_a_dead_code_is_restarted_at_a_vector_of_the_batch(kind):
    quantizer, h = made(kind, 4, 3, restart_below=0.5), F.normalize(vectors(400, 3), dim=1)
    quantizer.usage = torch.tensor([100.0, 100.0, 0.0, 100.0])
    quantizer.learn(h, torch.zeros(400, dtype=torch.long), NOISE)
    assert (h - quantizer.book[2]).norm(dim=1).min() < 1e-5
    assert quantizer.usage[2] == RESTARTED * 100
    assert (h - quantizer.book[1]).norm(dim=1).min() > 1e-3 or kind is EMA


@pytest.mark.parametrize(("restart_below", "fewest", "most"), [(0.1, 13, 16), (0.0, 1, 6)])
def test_restarts_keep_all_codes_in_use(restart_below, fewest, most):
    """Sixteen well separated clusters and 16 codes, all of which start in one place."""
    centres = torch.tensor(list(itertools.product(range(4), range(4)))).float() * 5
    quantizer = made(EMA, 16, 2, decay=0.9, restart_below=restart_below)
    for step in range(60):
        h = centres.repeat(20, 1) + 0.1 * vectors(320, 2, key=step)
        quantizer.learn(h, quantizer.quantize(h).codes, SeededNoise("cpu", step))
    assert fewest <= len(quantizer.quantize(centres).codes.unique()) <= most
    assert (quantizer.usage.min() > 5) == (restart_below > 0)


@pytest.mark.parametrize("kind", [EMA, Cosine])
def test_codes_that_the_first_batch_does_not_choose_are_restarted_at_once(kind):
    """Ten vectors per code: if N started at 1, such a code would stay until 0.99^t < 0.03 · 10, for 120 steps."""
    quantizer, h = made(kind, 8, 2), F.normalize(vectors(80, 2), dim=1)
    quantizer.learn(h, torch.zeros(80, dtype=torch.long), NOISE)
    assert torch.cdist(quantizer.book[1:], h).min(1).values.max() < 1e-3
    assert (quantizer.usage[1:] == RESTARTED * 10).all()
    mean = h.mean(0) if kind is EMA else F.normalize(h.sum(0), dim=0)
    torch.testing.assert_close(quantizer.book[0], mean)


def test_the_cosine_ignores_the_length():
    quantizer, h = made(Cosine, 7, 4), vectors(10, 4)
    a, b = quantizer.quantize(h), quantizer.quantize(100 * h)
    assert torch.equal(a.codes, b.codes)
    torch.testing.assert_close(a.losses["commitment"], b.losses["commitment"])
    quantizer.learn(h, a.codes, NOISE)
    torch.testing.assert_close(quantizer.book.norm(dim=1), torch.ones(7))


def test_directions_follow_the_running_sums_of_unit_vectors():
    quantizer, h = made(Cosine, 3, 4, decay=0.9, restart_below=0.0), vectors(40, 4)
    sums, codes = quantizer.sums, quantizer.quantize(h).codes
    quantizer.learn(h, codes, NOISE)
    for k in range(3):
        expected = 0.9 * sums[k] + 0.1 * F.normalize(h[codes == k], dim=1).sum(0)
        torch.testing.assert_close(quantizer.book[k], F.normalize(expected, dim=0))


@pytest.mark.parametrize("levels", [[3], [4], [5, 4], [8, 6, 5]])
def test_finite_scalars_take_every_value_and_no_other(levels):
    quantizer = FSQ(levels)
    uniform = torch.rand(20_000, len(levels), generator=torch.Generator().manual_seed(0))
    h = torch.atanh(1.99 * (uniform - 0.5))
    found = quantizer.quantize(h)
    for values, size in zip(found.z.unbind(1), levels):
        expected = (torch.arange(size) - size // 2) / (size // 2)
        torch.testing.assert_close(values.unique(), expected)
    assert len(found.codes.unique()) == quantizer.codes


def test_signs_and_their_entropy_are_those_of_the_enumeration():
    quantizer, h = LFQ(3, commitment=0.5, entropy=0.2, sharpness=1.5), vectors(10, 3)
    found = quantizer.quantize(h)
    assert torch.equal(found.z, h.sign())
    corners = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=3)))
    p = torch.softmax(-1.5 * torch.cdist(h, corners).square(), 1)
    single, mean = -(p * p.log()).sum(1).mean(), p.mean(0)
    expected = 0.2 * (single + (mean * mean.log()).sum())
    torch.testing.assert_close(found.losses["entropy"].mean(), expected)
    torch.testing.assert_close(found.losses["commitment"], 0.5 * (h - h.sign()).square().sum(1))


def test_each_residual_code_quantises_what_is_left():
    inner = made(EMA, 9, 4)
    quantizer, h = Residual(inner, 3), vectors(6, 4)
    found = quantizer.quantize(h)
    rest = h
    for depth in range(3):
        codes = torch.cdist(rest, inner.book).argmin(1)
        assert torch.equal(found.codes[:, depth], codes)
        rest = rest - inner.book[codes]
    torch.testing.assert_close(found.z.detach(), h - rest)


def test_residuals_of_all_depths_update_the_codebook_as_one_batch():
    inner, h = made(EMA, 4, 3, restart_below=0.0), vectors(20, 3)
    before = inner.book
    quantizer = Residual(inner, 2)
    codes = quantizer.quantize(h).codes
    quantizer.learn(h, codes, NOISE)
    expected = made(EMA, 4, 3, restart_below=0.0)
    rest = h - before[codes[:, 0]]
    expected.learn(torch.cat([h, rest]), torch.cat([codes[:, 0], codes[:, 1]]), NOISE)
    torch.testing.assert_close(inner.book, expected.book)


@pytest.mark.parametrize(
    ("built", "message"),
    [
        (lambda: FSQ([5, 2]), r"quantizer.levels=\[5,2\]: every dimension needs 3 levels"),
        (lambda: LFQ(11), "quantizer.bits=11: all codes are enumerated"),
        (lambda: Residual(FSQ([5]), 2), "needs a codebook .* type quantizer.of._target_=vae_lab.quantizers.EMA"),
        (lambda: Residual(Cosine(5, 2), 2), "a codebook of vectors of any length, and Cosine has none"),
    ],
)
def test_what_makes_no_sense_is_refused(built, message):
    with pytest.raises(UserError, match=message):
        built()
