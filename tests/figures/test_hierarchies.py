"""Tests of the figures of hierarchies, and of samples at several temperatures, on a small untrained ladder."""

import pytest
import torch

from vae_lab.config.composing import composer
from vae_lab.evaluation.needs import missing
from vae_lab.evaluation.trained import Evaluation
from vae_lab.figures.first_levels import FirstLevels
from vae_lab.figures.image_grids import image_grid
from vae_lab.figures.kl_per_level import KLPerLevel
from vae_lab.figures.level_draws import LevelDraws
from vae_lab.figures.temperatures import Temperatures
from vae_lab.runs.build import make_data, make_job
from vae_lab.types import Normal

LADDER = ["model=ladder", "model.latent_dims=[4,3,2]", "model.net.widths=[16,12,8]"]
GRIDS = ["model=ladder_cnn", "model.latent_dims=[1,2,1]", "model.net.channels=[4,4,4]", "model.net.scales=[2,4,4]"]


def trained_with(*words: str) -> Evaluation:
    with composer([*words, "likelihood=bernoulli", "dataset=digits", "dataset.limit=16", "batch_size=8"]) as compose:
        config = compose([])
    data = make_data(config)
    return Evaluation(make_job(config, data.x_shape, data.y_size, data.values), data, 0, torch.device("cpu"), "a title")


@pytest.fixture
def ladder() -> Evaluation:
    return trained_with(*LADDER)


def picture(axes, columns: int) -> torch.Tensor:
    """The images of a grid of 8×8 pixels, [rows, columns, 8, 8]."""
    pixels = torch.tensor(axes.images[0].get_array())[1:, 1:, 0]
    return pixels.unfold(0, 8, 9).unfold(1, 8, 9)[:, :columns]


def history(**levels: list[float]):
    return [{"epoch": i + 1.0} | {f"val/kl_level{n[1:]}": kl[i] for n, kl in levels.items()} for i in range(2)]


def test_the_kl_of_each_level_is_drawn_over_the_epochs(ladder):
    ladder.history = history(_1=[8.0, 9.0], _2=[2.0, 1.0], _3=[0.5, 0.0004])
    figure = KLPerLevel(empty=0.1)(ladder)
    (axes,) = figure.axes
    *lines, limit = axes.lines
    assert [list(line.get_ydata()) for line in lines] == [[0.5, 0.01], [2.0, 1.0], [8.0, 9.0]]
    assert [line.get_label() for line in lines] == [
        "level 3 (top): 0.00", "level 2: 1.00", "level 1 (next to the data): 9.00"]  # fmt: skip
    assert limit.get_ydata() == [0.1, 0.1]
    named = [text.get_text() for text in axes.get_legend().get_texts()]
    assert named == [*(line.get_label() for line in lines), "0.1 nats; below, a level is empty"]
    assert axes.get_yscale() == "log"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "KL (nats per image;\n0.01 stands for less, too)")
    assert axes.get_ylim()[0] == pytest.approx(0.008)
    assert figure.get_suptitle().startswith("Validation KL of each level: 2 of 3 have 0.1 nats or more")


def test_the_axis_of_kl_reaches_no_further_down_than_it_must(ladder):
    ladder.history = history(_1=[8.0, 9.0], _2=[2.0, 1.0], _3=[0.5, 0.04])
    (axes,) = KLPerLevel(empty=0.1)(ladder).axes
    assert (axes.get_ylim()[0], axes.get_ylabel()) == (pytest.approx(0.032), "KL (nats per image)")
    ladder.history = history(_1=[8.0, 9.0], _2=[2.0, 1.0], _3=[float("nan"), 0.4])
    assert KLPerLevel(empty=0.1)(ladder).axes[0].get_ylim()[0] == pytest.approx(0.08)


def test_many_levels_are_told_apart_by_a_scale(ladder):
    ladder.model.latent_shapes = ((2,),) * 12
    ladder.history = history(**{f"_{i}": [1.0, 2.0] for i in range(1, 13)})
    axes, scale = KLPerLevel()(ladder).axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["0.1 nats; below, a level is empty"]
    assert scale.get_ylabel() == "level; 1 is next to the data"
    colour_of = scale._colorbar.mappable.to_rgba
    for line, level in ((axes.lines[0], 12), (axes.lines[11], 1)):  # the top first
        assert list(line.get_color()) == pytest.approx(list(colour_of(level)))


def test_without_the_kl_of_levels_nothing_is_drawn(ladder):
    assert KLPerLevel()(ladder) is None
    ladder.history = [{"epoch": 1.0, "val/kl": 3.0}]
    assert KLPerLevel()(ladder) is None


def test_a_row_of_level_draws_differs_only_by_its_level(ladder):
    columns, noise = 4, ladder.noise("levels drawn again")
    with torch.inference_mode():
        (axes,) = LevelDraws(columns)(ladder).axes
        base = ladder.latents(1, noise)
    rows = picture(axes, columns)
    assert rows.shape == (3, columns, 8, 8)
    for level, row in enumerate(rows):  # levels above from the base, this one drawn, those below at their means
        with torch.inference_mode():
            expected = images_with_one_level_drawn(ladder.model, level, base, columns, noise)
        torch.testing.assert_close(row, expected)
    for row in rows:
        assert not torch.allclose(row[0], row[1])
    spreads = rows.var(1).mean((1, 2))
    assert spreads.min() > 0
    assert [text.get_text() for text in axes.texts] == ["level 3 (top)", "level 2", "level 1"]
    assert "class" not in axes.figure.get_suptitle()


def images_with_one_level_drawn(model, level: int, base, columns: int, noise) -> torch.Tensor:
    """The decoded means [columns, 8, 8], as in the figure, from the Gaussians of the model itself."""
    z = [code.expand(1, columns, -1) for code in base[:level]]
    for index in range(level, 3):
        zeros = torch.zeros(1, columns, *model.latent_shapes[index])
        prior = model.prior_of(2 - index, z[-1]) if z else Normal(zeros, zeros)
        draw = noise.normal(*zeros.shape)  # the noise of means is drawn, too
        z.append(prior.mu + torch.exp(prior.log_var / 2) * draw if index == level else prior.mu)
    return picture_of(model.likelihood.mean(model.decode(tuple(z), None))[0])


def test_the_class_of_level_draws_is_told():
    trained = trained_with(*LADDER, "conditional=true")
    y = trained.conditions(0, 1, trained.noise("condition of the levels drawn again"))
    with torch.inference_mode():
        figure = LevelDraws(2)(trained)
    title = " ".join(figure.get_suptitle().split())
    assert f"levels below at their means (class {trained.data.classes[int(y)]})" in title


def test_an_empty_level_has_a_row_of_equal_images(ladder):
    with torch.no_grad():
        next(ladder.model.down[1].parameters()).zero_()  # p(z_2|z_3) does not depend on z_3
    with torch.inference_mode():
        (axes,) = LevelDraws(3)(ladder).axes
    top, *others = picture(axes, 3)
    torch.testing.assert_close(top[0], top[2])
    assert all(not torch.allclose(row[0], row[2]) for row in others)


def test_the_first_levels_reconstruct_and_their_kl_is_cumulated(ladder):
    with torch.inference_mode():
        bars, pictures = FirstLevels(5)(ladder).axes
    kl = [ladder.kl(level=i).mean(0).sum().item() for i in range(3)]
    _, own = bars.containers
    assert [bar.get_width() for bar in own] == pytest.approx(kl, rel=1e-5)
    assert [bar.get_x() for bar in own] == pytest.approx([0, kl[0], kl[0] + kl[1]], abs=1e-5)
    assert bars.get_xlabel() == "cumulated KL (nats per image)"
    assert [label.get_text() for label in bars.get_yticklabels()] == ["level 3", "down to level 2", "down to level 1"]
    rows = picture(pictures, 5)
    x = next(ladder.data.batches("test", None)).x
    shown = rows[3]
    assert all(any(torch.allclose(image, one[0], atol=1e-6) for one in x) for image in shown)
    images = shown.unsqueeze(1).contiguous()
    expected = ladder.reconstruct(images)[:, 0]  # all levels from q
    torch.testing.assert_close(rows[2], expected, atol=1e-5, rtol=0)


def test_levels_of_one_resolution_share_a_row():
    trained = trained_with(*GRIDS)
    with torch.inference_mode():
        (axes,) = LevelDraws(2)(trained).axes
        bars, _ = FirstLevels(2)(trained).axes
    assert [text.get_text() for text in axes.texts] == ["levels 3–2, 2×2 (top)", "level 1, 4×4"]
    assert [label.get_text() for label in bars.get_yticklabels()] == ["levels 3–2, 2×2", "down to level 1, 4×4"]


@pytest.mark.parametrize("words", [LADDER, ["model=dense", "conditional=true"], ["model=dense", "prior=mixture"]])
def test_a_temperature_scales_the_noise_of_a_column(words):
    trained = trained_with(*words)
    with torch.inference_mode():
        (axes,) = Temperatures([0.0, 0.5, 1.0], 6)(trained).axes
    rows = picture(axes, 6)
    spreads = rows.var(1).mean((1, 2))
    assert spreads[1] < spreads[2]
    assert [text.get_text() for text in axes.texts] == ["τ = 0", "τ = 0.5", "τ = 1"]
    if words == LADDER:
        torch.testing.assert_close(rows[0], rows[0][:1].expand_as(rows[0]))  # only means
    y = trained.conditions(0, 6, trained.noise("conditions of the temperatures"))
    with torch.inference_mode():
        z = trained.latents(6, trained.noise("temperatures"), y)
        usual = trained.model.likelihood.mean(trained.model.decode(z, y))[0]
    torch.testing.assert_close(rows[2], picture_of(usual))


def picture_of(images: torch.Tensor) -> torch.Tensor:
    pixels = torch.tensor(image_grid(images, len(images)))[1:, 1:, 0]
    return pixels.unfold(0, 8, 9).unfold(1, 8, 9)[0]


def test_discrete_codes_need_a_prior_that_a_temperature_changes():
    discrete = trained_with("model=vq_vae")
    assert Temperatures()(discrete) is None
    assert missing(FirstLevels(), trained_with("model=dense"))[0] == "hierarchy"
    discrete.model.latent_shapes = ((2, 2), (4, 4))
    assert missing(LevelDraws(), discrete) == ("continuous", "the codes of the model are discrete")
