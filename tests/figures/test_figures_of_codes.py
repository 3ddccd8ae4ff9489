"""Tests of the figures of discrete models, on an untrained VQ-VAE-2 whose codes are moved apart."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from vae_lab.config.composing import composer
from vae_lab.evaluation.trained import Evaluation
from vae_lab.figures.class_temperatures import ClassTemperatures
from vae_lab.figures.code_maps import CodeMaps, code_vectors, coloured, order_of_codes
from vae_lab.figures.code_usage import CodeUsage
from vae_lab.figures.codes_alone import CodesAlone
from vae_lab.figures.top_fixed import TopFixed
from vae_lab.metrics.codes import Codes
from vae_lab.runs.build import make_data, make_job

HIERARCHY = ("model=vq_vae_2", "quantizer.codes=8")
WORDS = ["likelihood=bernoulli", "dataset=digits", "dataset.limit=32", "batch_size=8"]


def evaluated(*words: str, model: tuple[str, ...] = HIERARCHY) -> Evaluation:
    with composer([*model, *WORDS, *words]) as compose:
        config = compose([])
    data = make_data(config)
    job = make_job(config, data.x_shape, data.y_size, data.values)
    generator = torch.Generator().manual_seed(0)
    for name, buffer in job.named_buffers():
        if name.endswith("book"):
            buffer.copy_(torch.randn(buffer.shape, generator=generator))
    made = Evaluation(job, data, 0, torch.device("cpu"), "a title")
    made.run({"codes": Codes()})
    return made


@pytest.fixture(autouse=True)
def _as_the_program_does():
    """Figures are drawn in inference mode."""
    with torch.inference_mode():
        yield


class Drawn:
    """A prior whose codes are uniform; a temperature of 0 gives code 0."""

    label = "uniform"

    def __init__(self, shapes: tuple[tuple[int, ...], ...]) -> None:
        self.shapes = shapes

    def sample(self, n, noise, y=None, top=(), temperature=(1.0,)):
        new = [(noise.uniform(n, *shape) * 8 * min(1, temperature[0])).long() for shape in self.shapes[len(top) :]]
        return (*top, *new)


@pytest.fixture(scope="module")
def trained() -> Evaluation:
    return evaluated()


@pytest.fixture(scope="module")
def conditional() -> Evaluation:
    made = evaluated("conditional=true")
    made.prior = Drawn(made.model.latent_shapes)
    return made


def picture(figure, axes: int = 0) -> np.ndarray:
    return np.asarray(figure.axes[axes].get_images()[0].get_array())


def tile(image: np.ndarray, row: int, column: int) -> np.ndarray:
    return image[1 + 9 * row :, 1 + 9 * column :][:8, :8]


def test_maps_show_each_code_in_its_colour_at_its_place(trained):
    figure = CodeMaps(columns=3)(trained)
    assert [text.get_text() for text in figure.axes[0].texts] == [
        "image", "reconstruction", "level 2, 2×2", "level 1, 4×4",
    ]  # fmt: skip
    chosen = torch.tensor([int((trained.data.test.labels == label).nonzero()[0]) for label in range(3)])
    x = torch.cat([batch.x for batch in trained.data.batches("test")])[chosen]
    codes = trained.model.infer(x, None, 1, trained.noise("any")).codes
    for row, level in ((2, 0), (3, 1)):
        side = codes[level].shape[-1]
        expected = coloured(codes[level][0], order_of_codes(trained.model, level)).permute(0, 2, 3, 1)
        for column in range(3):
            shown = tile(picture(figure), row, column)[:: 8 // side, :: 8 // side]
            np.testing.assert_allclose(shown, expected[column], atol=1e-6)
    assert figure.axes[1].get_xlabel() == "place of a code among all 8, in the order of similarity"


def test_the_vectors_of_codes_are_those_of_the_quantizer_and_ordered_by_similarity(trained):
    for index, quantizer in enumerate(trained.model.top_down):
        torch.testing.assert_close(code_vectors(trained.model, index), quantizer.book.double())
    line = torch.tensor([3.0, -1.0, 0.5, 7.0])
    model = SimpleNamespace(
        code_sizes=(4,), latent_shapes=((2, 2),), parameters=lambda: iter([line]),
        prior_sample=lambda n, y, noise, top: (line[top[0]].unsqueeze(2),),
    )  # fmt: skip
    places = order_of_codes(model, 0).tolist()
    assert places in ([2, 0, 1, 3], [1, 3, 2, 0])


def test_usage_has_a_panel_for_each_level_with_its_scores(trained):
    figure = CodeUsage()(trained)
    values = trained.scores.values
    for axes, level in zip(figure.axes, (2, 1)):
        used, perplexity = round(8 * values[f"test/codes_used_level{level}"]), values[f"test/perplexity_level{level}"]
        assert axes.get_title() == f"level {level}: {used} of 8 used, perplexity {perplexity:.1f}"
        heights = [bar.get_height() for bar in axes.patches]
        assert sum(heights) == pytest.approx(100)
        assert heights == sorted(heights, reverse=True)
        assert all(place == round(place) for place in axes.get_xticks())


def test_every_code_is_decoded_with_the_most_frequent_ones_around_it(trained):
    model, uses = trained.model, trained.scores.arrays["code_use"]
    orders = [np.argsort(-np.array(use["counts"]), kind="stable") for use in uses]
    grid = [torch.full((1, 1, *shape), int(order[0])) for order, shape in zip(orders, model.latent_shapes)]
    for place in ("everywhere", "centre"):
        figure = CodesAlone(place=place, columns=8)(trained)
        assert len(figure.axes) == 2
        for level in (0, 1):
            codes = [part.clone() for part in grid]
            third, side = int(orders[level][2]), model.latent_shapes[level][0]
            codes[level][0, 0, side // 2, side // 2] = third
            if place == "everywhere":
                codes[level][:] = third
            z = model.prior_sample(1, None, trained.noise("any"), tuple(codes))
            expected = model.likelihood.mean(model.decode(z, None))[0, 0, 0].detach()
            np.testing.assert_allclose(tile(picture(figure, level), 0, 2)[..., 0], expected, atol=1e-5)


def test_a_code_of_a_residual_quantizer_stands_before_the_most_frequent_ones_of_the_further_depths():
    made = evaluated(model=("model=vq_vae", "model.net.depth=2", "quantizer=residual", "quantizer.of.codes=8"))
    uses = made.scores.arrays["code_use"]
    orders = [np.argsort(-np.array(use["counts"]), kind="stable") for use in uses]
    assert len(orders) == 2
    figure = CodesAlone(columns=8)(made)
    codes = torch.tensor([int(orders[0][2]), int(orders[1][0])]).expand(1, 1, 2, 2, 2)
    z = made.model.prior_sample(1, None, made.noise("any"), (codes,))
    expected = made.model.likelihood.mean(made.model.decode(z, None))[0, 0, 0].detach()
    np.testing.assert_allclose(tile(picture(figure), 0, 2)[..., 0], expected, atol=1e-5)
    assert "of several depths, the first" in figure.get_suptitle().replace("\n", " ")
    assert "the first, coarsest code of each position" in CodeMaps(columns=2)(made).get_suptitle().replace("\n", " ")


def test_nothing_is_drawn_of_codes_that_were_not_counted(trained):
    counted, trained.scores.arrays = trained.scores.arrays, {}
    try:
        assert CodeUsage()(trained) is None
        assert CodesAlone()(trained) is None
    finally:
        trained.scores.arrays = counted


def test_classes_stand_in_rows_and_temperatures_in_blocks(conditional):
    figure = ClassTemperatures([0.0, 1.0], columns=3, rows=4)(conditional)
    shown = picture(figure)
    assert [text.get_text() for text in figure.axes[0].texts] == ["0", "1", "2", "3", "τ = 0", "τ = 1"]
    for row in range(4):
        first = tile(shown, row, 0)
        assert all(np.allclose(tile(shown, row, column), first, atol=1e-5) for column in (1, 2))
        assert not np.allclose(tile(shown, row, 3), tile(shown, row, 4), atol=1e-3)
    assert not np.allclose(tile(shown, 0, 0), tile(shown, 1, 0), atol=1e-4)


def test_without_a_fitted_prior_no_temperature_is_shown(conditional):
    prior, conditional.prior = conditional.prior, None
    try:
        assert ClassTemperatures([1.0])(conditional) is None
    finally:
        conditional.prior = prior


def test_a_row_shares_the_top_and_differs_below(conditional, monkeypatch):
    given = []
    decode = conditional.model.decode
    monkeypatch.setattr(conditional.model, "decode", lambda z, y: (given.append((z, y)), decode(z, y))[1])
    figure = TopFixed(columns=4, rows=3)(conditional)
    ((z, y),) = given
    top, bottom = (level[0].view(3, 4, *level.shape[2:]) for level in z)
    assert (top == top[:, :1]).all()
    assert not (top[0] == top[1]).all()
    assert not (bottom == bottom[:, :1]).all()
    assert (y.view(3, 4) == y.view(3, 4)[:, :1]).all()
    assert [text.get_text() for text in figure.axes[0].texts] == [str(label) for label in y.view(3, 4)[:, 0].tolist()]
    assert "the codes of the top level of 2" in figure.get_suptitle()
