import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from helpers import FakeTrained, gen, labelled
from matplotlib import colormaps
from matplotlib.colors import to_rgb
from matplotlib.offsetbox import AnnotationBbox

from vae_lab.errors import UserError
from vae_lab.examples import Examples, Tokens
from vae_lab.figures.latent_space import LatentSpace
from vae_lab.figures.names_apart import separated
from vae_lab.figures.projection import pca
from vae_lab.figures.thumbnails import fitting
from vae_lab.types import Normal


def draw(latent_dim: int, n: int = 60, labels: bool = True, **options):
    images = labelled(n)
    q = Normal(torch.randn(n, latent_dim, generator=gen()), torch.full((n, latent_dim), -2.0))
    fake = FakeTrained(images if labels else Examples(images.stored, None), posterior=q)
    return LatentSpace(**options)(fake), q


def points(figure) -> np.ndarray:
    (scatter,) = figure.axes[0].collections
    return scatter.get_offsets()


def rows(array) -> list[tuple]:
    return sorted(map(tuple, np.asarray(array, dtype=float).round(5).tolist()))


def test_two_dimensions_are_shown_as_they_are():
    figure, q = draw(2)
    assert rows(points(figure)) == rows(q.mu)
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("posterior mean of z[0]", "posterior mean of z[1]")
    assert "60 test images: two latent dimensions" in figure.get_suptitle()


def test_the_title_counts_sequences_and_not_their_tokens():
    sequences = Examples(torch.zeros(60, 6, dtype=torch.long), None, values=Tokens(("a", "b")))
    q = Normal(torch.randn(60, 2, generator=gen()), torch.zeros(60, 2))
    figure = LatentSpace()(FakeTrained(sequences, posterior=q))
    assert "60 test sequences: two latent dimensions" in figure.get_suptitle()


def test_the_title_names_the_level_of_a_hierarchy():
    model = SimpleNamespace(latent_shapes=((2,), (3,)))
    figure = LatentSpace()(
        FakeTrained(labelled(60), posterior=Normal(torch.randn(60, 2), torch.zeros(60, 2)), model=model)
    )
    assert "60 test images, top level of 2: two latent dimensions" in figure.get_suptitle()


def test_one_dimension_is_shown_with_its_sigma():
    figure, q = draw(1)
    assert rows(points(figure)) == rows(torch.cat([q.mu, torch.full_like(q.mu, np.exp(-1))], 1))
    assert figure.axes[0].get_ylabel() == "posterior σ of z"


def test_codes_without_a_trained_sigma_are_shown_by_label():
    q = Normal(torch.randn(60, 1, generator=gen()), torch.zeros(60, 1))
    figure = LatentSpace()(FakeTrained(labelled(60), posterior=q, objective=SimpleNamespace(variational=False)))
    assert figure.axes[0].get_ylabel() == "label (number)"
    assert sorted(x for x, _ in rows(points(figure))) == sorted(row[0] for row in rows(q.mu))


def test_too_few_images_give_no_picture():
    assert draw(5, n=7)[0] is None


class FakeTSNE:
    """Takes the first two dimensions, and remembers how it was asked to."""

    used: dict[str, Any] = {}  # noqa: RUF012

    def __init__(self, **options: Any) -> None:
        FakeTSNE.used = options

    def fit_transform(self, codes: np.ndarray) -> np.ndarray:
        return codes[:, :2]


def test_more_dimensions_go_through_tsne(monkeypatch):
    monkeypatch.setattr("sklearn.manifold.TSNE", FakeTSNE)
    figure, q = draw(5, n=120)
    assert rows(points(figure)) == rows(q.mu[:, :2])
    assert (FakeTSNE.used["perplexity"], FakeTSNE.used["max_iter"]) == (30, 500)
    assert "t-SNE of 5 latent dimensions, perplexity 30" in figure.get_suptitle()
    assert figure.axes[0].get_xlabel().startswith("t-SNE")


def test_the_number_of_iterations_is_the_requested_one(monkeypatch):
    monkeypatch.setattr("sklearn.manifold.TSNE", FakeTSNE)
    draw(5, n=120, iterations=1000)
    assert FakeTSNE.used["max_iter"] == 1000


def test_the_perplexity_that_is_named_is_the_one_that_was_used(monkeypatch):
    monkeypatch.setattr("sklearn.manifold.TSNE", FakeTSNE)
    figure, _ = draw(5, n=20)
    assert FakeTSNE.used["perplexity"] < 20
    assert f"perplexity {FakeTSNE.used['perplexity']}\n" in figure.get_suptitle()


def test_each_class_has_its_colour_and_is_named_among_its_points():
    q = Normal(0.1 * torch.randn(60, 2, generator=gen()), torch.full((60, 2), -2.0))
    q.mu[:, 0] += torch.arange(60) % 3
    figure = LatentSpace()(FakeTrained(labelled(60), posterior=q))
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["class0", "class1", "class2"]
    assert [text.get_text() for text in axes.texts] == ["class0", "class1", "class2"]
    colours = np.array([to_rgb(handle.get_color()) for handle in axes.get_legend().legend_handles])
    drawn = axes.collections[0].get_facecolors()[:, :3]
    of_second = np.abs(drawn - colours[1]).max(1) < 1e-6
    assert rows(points(figure)[of_second]) == rows(q.mu[1::3])
    np.testing.assert_allclose(axes.texts[1].xy, np.median(q.mu[1::3], 0), rtol=1e-6)


def test_classes_that_lie_on_top_of_each_other_are_named_in_the_legend_alone():
    figure, _ = draw(2)
    assert len(figure.axes[0].get_legend().get_texts()) == 3
    assert not figure.axes[0].texts


def test_points_are_drawn_in_a_random_order():
    """Otherwise the last class would cover the others."""
    figure, q = draw(2)
    assert not np.allclose(points(figure), q.mu)


def boxes_of(axes) -> list:
    return [text.get_bbox_patch().get_window_extent() for text in axes.texts]


def test_names_of_classes_at_the_same_place_are_moved_apart():
    q = Normal(torch.zeros(60, 2), torch.zeros(60, 2))
    q.mu[0] = 1.0  # otherwise all points are equal
    (axes,) = LatentSpace()(FakeTrained(labelled(60, classes=21), posterior=q)).axes  # too many for a legend
    axes.figure.draw_without_rendering()
    boxes = boxes_of(axes)
    assert len(boxes) == 21
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert [text.xy for text in axes.texts] == [(0, 0)] * 21  # a line leads to where they belong
    assert sum(text.arrow_patch.get_visible() for text in axes.texts) >= 20


def test_boxes_that_do_not_overlap_stay_where_they_are():
    centres = np.array([[0.0, 0.0], [30.0, 0.0], [0.0, 20.0]])
    assert separated(centres, np.full((3, 2), 10.0)).tolist() == centres.tolist()


def test_many_boxes_at_one_place_are_separated():
    sizes = np.tile([20.0, 10.0], (20, 1))
    places = separated(np.zeros((20, 2)), sizes)
    gaps = np.abs(places[:, None] - places[None]) - sizes
    assert ((gaps > 0).any(-1) | np.eye(20, dtype=bool)).all()


def test_a_class_without_images_is_left_out():
    images = labelled(12, classes=2)
    images.classes = ("a", "b", "never seen")
    mu = 0.1 * torch.randn(12, 2, generator=gen()) + torch.arange(12)[:, None] % 2
    figure = LatentSpace()(FakeTrained(images, posterior=Normal(mu, torch.zeros(12, 2))))
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["a", "b"]
    assert [text.get_text() for text in figure.axes[0].texts] == ["a", "b"]


def test_without_labels_there_is_one_colour_and_no_legend():
    figure, _ = draw(2, labels=False)
    assert len(figure.axes[0].collections) == 1
    assert figure.axes[0].get_legend() is None


@pytest.mark.parametrize(("n", "shown"), [(60, 9), (8, 8)])
def test_no_more_points_than_asked_for(n, shown):
    figure, _ = draw(2, n=n, points=9)
    assert len(points(figure)) == shown


def test_codes_that_differ_by_rounding_alone_are_drawn_without_tsne():
    """Their variance is 0 in float32, and t-SNE would end the process with a segmentation fault."""
    mu = torch.full((60, 5), 0.25)
    mu[::7, 1] = torch.nextafter(mu[0, 1], torch.tensor(1.0))
    figure = LatentSpace()(FakeTrained(labelled(60), posterior=Normal(mu, torch.zeros(60, 5))))
    assert "equal codes, two of 5 latent dimensions" in figure.get_suptitle().replace("\n", " ")


@pytest.mark.parametrize("value", [0.0, 1.5])
def test_equal_codes_of_a_dead_encoder_are_drawn_without_tsne(value):
    q = Normal(torch.full((60, 5), value), torch.zeros(60, 5))
    figure = LatentSpace()(FakeTrained(labelled(60), posterior=q))
    assert set(rows(points(figure))) == {(value, value)}
    assert "equal codes, two of 5 latent dimensions" in figure.get_suptitle().replace("\n", " ")


def test_pca_shows_the_share_of_the_variance_that_each_component_explains():
    mu = torch.randn(4000, 3, generator=gen()) * torch.tensor([1.0, 3.0, 2.0])
    mu = mu - mu.mean(0)
    figure = LatentSpace(map="pca", points=4000)(
        FakeTrained(labelled(4000), posterior=Normal(mu, torch.zeros(4000, 3)))
    )
    (axes,) = figure.axes
    assert axes.get_xlabel() == f"principal component 1 ({100 * 9 / 14:.0f} % of the variance)"
    assert axes.get_ylabel() == f"principal component 2 ({100 * 4 / 14:.0f} % of the variance)"
    assert "PCA of 3 latent dimensions" in figure.get_suptitle()
    places = np.asarray(points(figure))
    assert places.var(0, ddof=1) == pytest.approx([9, 4], rel=0.1)
    assert abs(np.corrcoef(places.T)[0, 1]) < 1e-5


def test_the_sign_of_a_component_is_that_of_its_largest_weight():
    mu = torch.randn(50, 3, generator=gen()) * torch.tensor([1.0, 5.0, 0.1])
    found = pca(mu).places
    assert np.corrcoef(found[:, 0], mu[:, 1])[0, 1] > 0.9
    assert np.corrcoef(found[:, 1], mu[:, 0])[0, 1] > 0.9
    np.testing.assert_allclose(pca(-mu).places, -found, atol=1e-5)


def test_umap_has_a_seed_and_the_number_of_neighbours(monkeypatch):
    used = {}

    class FakeUMAP:
        def __init__(self, **options):
            used.update(options)

        def fit_transform(self, codes):
            return codes[:, :2]

    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=FakeUMAP))
    figure, q = draw(5, n=120, map="umap", perplexity=15)
    assert used == {"n_neighbors": 15, "random_state": 0, "n_jobs": 1}
    assert rows(points(figure)) == rows(q.mu[:, :2])
    assert "UMAP of 5 latent dimensions, 15 neighbours" in figure.get_suptitle()
    assert "gaps and sizes of groups mean nothing" in figure.axes[0].get_xlabel()


def test_umap_without_its_package_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(UserError, match=r"needs the package umap: pip install 'vae-lab\[umap\]'"):
        draw(5, map="umap")


def attributed(n: int = 60) -> Examples:
    images = labelled(n)
    y = torch.stack([torch.arange(n) / n, torch.zeros(n)], 1)
    return Examples(images.stored, y, attributes=("slant", "glasses"))


@pytest.mark.parametrize(("colour", "name"), [("slant", "slant"), ("label", "slant"), ("kl", "KL (nats per image)")])
def test_points_have_the_colour_of_a_number(colour, name):
    mu = torch.linspace(-2, 2, 60)[:, None].repeat(1, 2)
    fake = FakeTrained(attributed(), posterior=Normal(mu, torch.zeros(60, 2)))
    fake.codes = lambda *_, **__: (fake.posterior, None)
    axes, bar = LatentSpace(colour=colour)(fake).axes
    assert bar.get_ylabel() == name
    places, drawn = np.asarray(axes.collections[0].get_offsets())[:, 0], axes.collections[0].get_facecolors()
    values = (places + 2) / 4 * 59 / 60 if name == "slant" else places**2
    low, high = np.quantile(values, [0.01, 0.99])
    np.testing.assert_allclose(drawn[:, :3], colormaps["viridis"]((values - low) / (high - low))[:, :3], atol=0.02)


def test_a_colour_that_is_not_there_is_refused():
    with pytest.raises(
        UserError, match=r"colour=glases: there is no such number.*glasses.*type label, kl, slant, glasses"
    ):
        LatentSpace(colour="glases")(
            FakeTrained(attributed(), posterior=Normal(torch.randn(60, 2), torch.zeros(60, 2)))
        )


def test_thumbnails_stand_at_their_points_and_do_not_cover_each_other():
    figure, q = draw(2, thumbnails=9)
    (axes,) = figure.axes
    boxes = [artist for artist in axes.artists if isinstance(artist, AnnotationBbox)]
    assert 2 <= len(boxes) <= 9
    images = labelled(60).stored.float() / 255
    for box in boxes:
        place = int((q.mu - torch.tensor(box.xy)).abs().sum(1).argmin())
        np.testing.assert_allclose(box.offsetbox.get_data()[..., 0], images[place, 0], atol=1e-6)
    figure.draw_without_rendering()
    frames = [box.patch.get_window_extent() for box in boxes]
    assert not any(a.overlaps(b) for i, a in enumerate(frames) for b in frames[:i])
    assert not axes.texts  # names would cover the images


def test_boxes_fit_where_no_earlier_one_is():
    places = np.array([[0.0, 0.0], [0.5, 0.5], [2.0, 0.0], [1.0, 5.0], [9.0, 9.0]])
    assert fitting(places, 1.0, 3) == [0, 2, 3]
