"""Tests of the figures that move codes, on small untrained models of every family."""

import numpy as np
import pytest
import torch

from vae_lab.config.composing import composer
from vae_lab.errors import UserError
from vae_lab.evaluation.needs import missing
from vae_lab.evaluation.trained import Evaluation
from vae_lab.figures.image_grids import image_grid
from vae_lab.figures.interpolation import Interpolation
from vae_lab.figures.j_diagram import JDiagram
from vae_lab.figures.manifold import Manifold
from vae_lab.figures.traversal import Traversal
from vae_lab.latents.codes import decode, encode
from vae_lab.runs.build import make_data, make_job

SMALL = ["dataset=digits", "dataset.limit=40", "batch_size=8", "likelihood=bernoulli"]
KINDS = {
    "dense": ["model=dense", "model.net.width=16", "latent_dim=4"],
    "plane": ["model=dense", "model.net.width=16", "latent_dim=2"],
    "cnn": ["model=cnn", "model.net.width=4", "latent_dim=3"],
    "conditional": ["model=dense", "model.net.width=16", "latent_dim=3", "conditional=true"],
    "flow": ["model=dense", "model.net.width=16", "latent_dim=3", "posterior=iaf"],
    "mixture": ["model=dense", "model.net.width=16", "latent_dim=3", "prior=mixture"],
    "autoencoder": ["model=dense", "model.net.width=16", "latent_dim=3", "objective=ae"],
    "ladder": ["model=ladder", "model.latent_dims=[4,3,2]", "model.net.widths=[16,12,8]"],
    "hierarchical": ["model=hierarchical", "model.latent_dims=[4,2]", "model.net.widths=[16,12]"],
    "vdvae": ["model=vdvae", "model.net.width=8", "model.net.middle=4", "conditional=true"],
    "vq_vae": ["model=vq_vae", "model.net.width=8"],
    "vq_vae_2": ["model=vq_vae_2"],
}


def trained_with(*words: str) -> Evaluation:
    with composer([*words, *SMALL]) as compose:
        config = compose([])
    data = make_data(config)
    job = make_job(config, data.x_shape, data.y_size, data.values)
    draws = torch.Generator().manual_seed(0)
    with torch.no_grad():  # otherwise the posterior of some is the prior, and no dimension is active
        for parameter in job.model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=draws))
    return Evaluation(job, data, 0, torch.device("cpu"), "a title")


@pytest.fixture(scope="module", params=KINDS)
def any_kind(request) -> Evaluation:
    return trained_with(*KINDS[request.param])


@pytest.fixture(scope="module")
def dense() -> Evaluation:
    return trained_with(*KINDS["dense"])


@pytest.fixture(scope="module")
def plane() -> Evaluation:
    return trained_with(*KINDS["plane"])


def shown(axes, columns: int) -> torch.Tensor:
    """The images of a grid of 8×8 pixels with gaps of one, [rows, columns, 8, 8]."""
    pixels = torch.tensor(np.asarray(axes.images[0].get_array()))[1:, 1:, 0]
    return pixels.unfold(0, 8, 9).unfold(1, 8, 9)[:, :columns]


def texts(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


@pytest.mark.parametrize(
    "figure", [Traversal(animation="none"), Interpolation(animation="none"), JDiagram(), Manifold()]
)
def test_every_family_is_drawn_or_refused_for_a_stated_reason(any_kind, figure):
    lacking = missing(figure, any_kind, named=True)
    if lacking:
        assert lacking == ("continuous", "the codes of the model are discrete")
        assert not isinstance(figure, (Interpolation, JDiagram))
        return
    drawn = figure(any_kind)
    assert drawn is not None
    assert drawn.get_suptitle().endswith("a title")


def test_a_line_begins_and_ends_with_the_reconstructions(any_kind):
    figure = Interpolation(rows=2, steps=3, animation="none")(any_kind)
    alone = len(any_kind.model.latent_shapes) > 1 and not hasattr(any_kind.model, "code_sizes")
    images = shown(figure.axes[0], 7 if alone else 5)
    places = [int((any_kind.data.test.labels == label).nonzero()[0]) for label in range(3)]
    x = torch.cat([batch.x for batch in any_kind.data.batches("test")])[places]
    back = any_kind.reconstruct(x, any_kind.data.test.labels[places])
    torch.testing.assert_close(images[:, 0], x[:2, 0], atol=1e-5, rtol=0)
    torch.testing.assert_close(images[:, -1], x[1:, 0], atol=1e-5, rtol=0)
    torch.testing.assert_close(images[:, 1], back[:2, 0], atol=1e-4, rtol=0)
    torch.testing.assert_close(images[:, -2], back[1:, 0], atol=1e-4, rtol=0)
    assert texts(figure.axes[0])[:2] == ["0 → 1", "1 → 2"]


def test_the_middle_of_a_line_is_the_image_of_the_mean_code(dense):
    figure = Interpolation(steps=3, pairs=[[7, 30]], animation="none")(dense)
    x = torch.cat([batch.x for batch in dense.data.batches("test")])[[7, 30]]
    middle = encode(dense.model, x, None, dense.noise).mean.mean(0, keepdim=True)
    expected = decode(dense.model, middle, None, dense.noise)[0, 0]
    torch.testing.assert_close(shown(figure.axes[0], 5)[0, 2], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("level", "which"),
    [
        (None, "top level of 3 (2 dimensions)"),
        (1, "level 1 below the top of 3 (3 dimensions)"),
        ("all", "all 3 levels"),
    ],
)
def test_the_title_names_the_levels_that_move(level, which):
    figure = Interpolation(rows=1, steps=2, level=level, animation="none")(trained_with(*KINDS["ladder"]))
    title = figure.get_suptitle().replace("\n", " ")
    assert title == f"Linear interpolation between test images A and B, {which} a title"


def test_the_title_names_the_level_of_the_other_figures():
    made = trained_with(*KINDS["ladder"])
    for figure in (Traversal(animation="none"), Manifold(size=2), JDiagram(size=2)):
        assert "top level of 3 (2 dimensions)" in figure(made).get_suptitle().replace("\n", " ")


def test_linear_and_spherical_lines_stand_below_each_other(dense):
    figure = Interpolation(rows=1, steps=3, path="both", animation="none")(dense)
    images = shown(figure.axes[0], 5)
    assert texts(figure.axes[0])[:2] == ["0 → 1, linear", "0 → 1, spherical"]
    torch.testing.assert_close(images[0, [0, 1, 3, 4]], images[1, [0, 1, 3, 4]], atol=1e-5, rtol=0)
    assert not torch.allclose(images[0, 2], images[1, 2], atol=1e-4)


def test_between_classes_the_ends_are_the_mean_codes(dense):
    figure = Interpolation(rows=1, steps=2, between="classes", animation="none")(dense)
    mu, labels = dense.codes()
    means = torch.stack([mu.mu[labels == label].mean(0) for label in (0, 1)])
    expected = decode(dense.model, means, None, dense.noise)[:, 0]
    torch.testing.assert_close(shown(figure.axes[0], 2)[0], expected, atol=1e-5, rtol=0)


def test_between_classes_of_a_conditional_model_the_label_moves_alone():
    made = trained_with(*KINDS["conditional"])
    figure = Interpolation(rows=1, steps=3, between="classes", path="both", animation="none")(made)
    assert texts(figure.axes[0]) == ["0 → 1"]  # the code stays, so that both paths are one
    assert figure.get_suptitle().replace("\n", " ").startswith("The label moves from one class to the next")
    place = int((made.data.test.labels == 0).nonzero()[0])
    x = torch.cat([batch.x for batch in made.data.batches("test")])[[place]]
    z = encode(made.model, x, torch.tensor([0]), made.noise).mean.expand(3, -1)
    y = torch.zeros(3, 10)
    y[:, 0], y[:, 1] = torch.tensor([1, 0.5, 0]), torch.tensor([0, 0.5, 1])
    torch.testing.assert_close(
        shown(figure.axes[0], 3)[0], decode(made.model, z, y, made.noise)[:, 0], atol=1e-5, rtol=0
    )


def test_an_image_that_is_not_there_is_refused(dense):
    with pytest.raises(UserError, match="there is no test image 360: the test set has images 0 to 359"):
        Interpolation(pairs=[[0, 360]])(dense)
    with pytest.raises(UserError, match="level=1: this model has 1 level, and 0 is the top"):
        Interpolation(level=1)(dense)


def test_rows_of_a_traversal_are_ordered_by_kl_and_cover_the_codes(dense):
    figure = Traversal(columns=3, animation="none")(dense)
    q, kl = dense.codes()[0], dense.kl(level=0).mean(0)
    order = [int(dim) for dim in kl.argsort(descending=True) if kl[dim] >= 0.01]
    names = [f"z[{dim}], {kl[dim]:.2f} nats" for dim in order]
    assert texts(figure.axes[0]) == [*names, "−2 sd", "mean", "+2 sd"]
    sd = (q.mu.var(0, correction=0) + q.log_var.exp().mean(0)).sqrt()
    z = torch.zeros(3, 4)
    z[:, order[0]] = q.mu.mean(0)[order[0]] + torch.tensor([-2, 0, 2]) * sd[order[0]]
    expected = decode(dense.model, z, None, dense.noise)[:, 0]
    torch.testing.assert_close(shown(figure.axes[0], 3)[0], expected, atol=1e-5, rtol=0)


def test_inactive_dimensions_are_left_out_and_counted(dense, monkeypatch):
    kl = torch.tensor([0.5, 0.001, 2.0, 0.0]).expand(360, 4)
    monkeypatch.setattr(dense, "kl", lambda *_, **__: kl)
    figure = Traversal(columns=3, rows=1, animation="none")(dense)
    assert texts(figure.axes[0])[0] == "z[2], 2.00 nats"
    assert "1 more not shown, 2 inactive left out" in figure.get_suptitle().replace("\n", " ")
    monkeypatch.setattr(dense, "kl", lambda *_, **__: 0 * kl)
    with pytest.raises(UserError, match=r"a KL of 0\.01 nats, .*; the highest is 0 nats; train longer"):
        Traversal()(dense)


def test_a_traversal_around_an_image_keeps_its_other_dimensions(dense):
    figure = Traversal(columns=2, image=5, animation="none")(dense)
    x = torch.cat([batch.x for batch in dense.data.batches("test")])[[5]]
    q, kl = dense.codes()[0], dense.kl(level=0).mean(0)
    z = encode(dense.model, x, None, dense.noise).mean.repeat(2, 1)
    sd = (q.mu.var(0, correction=0) + q.log_var.exp().mean(0)).sqrt()
    first = int(kl.argmax())
    z[:, first] = q.mu.mean(0)[first] + torch.tensor([-2, 2]) * sd[first]
    expected = decode(dense.model, z, None, dense.noise)[:, 0]
    torch.testing.assert_close(shown(figure.axes[0], 2)[0], expected, atol=1e-5, rtol=0)
    assert "from test image 5" in figure.get_suptitle()


def test_the_tiles_of_a_moving_traversal_go_from_one_end_to_the_other(dense):
    moving = Traversal().animation(dense)
    assert len(moving.frames) == 16
    assert len(moving.played) == 30
    assert len({frame.size for frame in moving.frames}) == 1


def test_the_manifold_has_quantiles_of_the_prior_with_the_second_axis_upwards(plane):
    figure = Manifold(size=4)(plane)
    quantiles = torch.distributions.Normal(0, 1).icdf((torch.arange(4) + 0.5) / 4)
    assert quantiles.tolist() == pytest.approx([-1.1503, -0.3186, 0.3186, 1.1503], abs=1e-4)
    z = torch.tensor([[float(a), float(b)] for b in quantiles.flip(0) for a in quantiles])  # the top row: highest z[1]
    expected = image_grid(decode(plane.model, z, None, plane.noise), 4, gap=0)
    np.testing.assert_allclose(np.asarray(figure.axes[0].images[0].get_array()), expected, atol=1e-5)
    assert figure.axes[0].get_yticklabels()[0].get_text() == "1.15"
    assert figure.axes[0].get_xticklabels()[0].get_text() == "−1.15"
    assert figure.axes[0].get_xlabel().startswith("z[0] (no unit), KL ")


def test_the_range_of_codes_is_their_mean_and_standard_deviation(plane):
    figure = Manifold(size=3, range="codes")(plane)
    q = plane.codes()[0]
    sd = (q.mu.var(0, correction=0) + q.log_var.exp().mean(0)).sqrt()
    low = q.mu.mean(0)[0] + sd[0] * torch.distributions.Normal(0, 1).icdf(torch.tensor(1 / 6))
    assert figure.axes[0].get_xticklabels()[0].get_text().replace("−", "-") == f"{low:.2f}"


def test_above_two_dimensions_those_of_the_highest_kl_are_shown(dense, monkeypatch):
    monkeypatch.setattr(dense, "kl", lambda *_, **__: torch.tensor([0.5, 3.0, 0.1, 2.0]).expand(360, 4))
    figure = Manifold(size=3)(dense)
    assert figure.axes[0].get_xlabel() == "z[1] (no unit), KL 3.00 nats"
    assert figure.axes[0].get_ylabel() == "z[3] (no unit), KL 2.00 nats"
    assert "the other 2 dimensions at the prior's mean" in figure.get_suptitle().replace("\n", " ")
    assert Manifold(size=3, dimensions=[2, 0])(dense).axes[0].get_xlabel().startswith("z[2]")
    with pytest.raises(UserError, match="the codes have dimensions 0 to 3"):
        Manifold(dimensions=[0, 4])(dense)
    with pytest.raises(UserError, match=r"dimensions=\[1, 1\]: a plane has two different dimensions"):
        Manifold(dimensions=[1, 1])(dense)


def test_a_manifold_is_in_a_set_of_figures_for_two_dimensions_only(dense, plane):
    assert missing(Manifold(), plane) is None
    assert missing(Manifold(), dense) == ("plane", "the latent space has more than two dimensions")
    assert missing(Manifold(), dense, named=True) is None


def test_frames_over_epochs_need_fixed_axes(dense, plane):
    frame = Manifold(size=5, every=1).frame(plane, 3)
    assert frame.size[0] == 5 * 32  # each image of 8 pixels is magnified four times
    with pytest.raises(UserError, match=r"type latent_dim=2, or figures.manifold.dimensions=\[0,1\]"):
        Manifold(every=1).frame(dense, 0)
    Manifold(every=1, dimensions=[0, 1]).frame(dense, 0)


def test_the_corners_of_a_j_diagram(dense):
    figure = JDiagram(images=[4, 9, 20], size=3)(dense)
    given, grid = figure.axes
    x = torch.cat([batch.x for batch in dense.data.batches("test")])[[4, 9, 20]]
    torch.testing.assert_close(shown(given, 1)[:, 0], x[:, 0], atol=1e-5, rtol=0)
    a, b, c = encode(dense.model, x, None, dense.noise).mean
    expected = decode(dense.model, torch.stack([a, c, b, b + c - a]), None, dense.noise)[:, 0]
    found = shown(grid, 3)
    corners = torch.stack([found[0, 0], found[0, 2], found[2, 0], found[2, 2]])
    torch.testing.assert_close(corners, expected, atol=1e-5, rtol=0)
    assert texts(given) == ["A", "B", "C"]
    assert texts(grid) == ["A", "B", "C", "B + C − A"]
