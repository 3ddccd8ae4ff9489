import numpy as np
import pytest
import torch
from helpers import FakeExtractor, FakeTrained, bytes_of, gen, labelled

from vae_lab.figures.novelty import NearestPairs
from vae_lab.scores import Scores

PAIRS = [[1001, 7, 0.25], [3, 30, 0.5], [2, 7, 1.5]]
TEXTS = ["sample", "training", "distance", "0.25", "0.50", "1.50"]


def fake(x_shape=(1, 8, 8), searched: int = 40, pairs=PAIRS, scored: str = "", features: str = "") -> FakeTrained:
    """Scored in the features of one suffix, and evaluated with those of another."""
    arrays = {
        f"nearest_training_images{scored}": pairs,
        f"nearest_distances_test{scored}": np.linspace(0.5, 2, 101).tolist(),
        f"nearest_distances_generated{scored}": np.linspace(0.1, 3, 101).tolist(),
    }
    values = {f"test/novelty_closer{scored}": 0.123, f"test/near_copies{scored}": 0.045}
    scores = Scores(values, {f"novelty{scored}": {"train_images": searched}}, arrays)
    made = FakeTrained(labelled(12, x_shape), scores=scores, extractor=FakeExtractor(suffix=features))
    made.data.train = labelled(40, x_shape, seed=5)
    drawn = torch.rand((2000, *x_shape), generator=gen())
    made.sample = lambda n, purpose="samples", size=1000: iter(drawn[:n].split(size))
    return made


def tiles(figure, n: int, height: int, width: int) -> np.ndarray:
    """The two rows of images: [2, n, H, W, 3]."""
    picture = np.asarray(figure.axes[0].get_images()[0].get_array())
    assert picture.shape == (2 * (height + 1) + 1, n * (width + 1) + 1, 3)
    return np.stack([
        [picture[1 + r * (height + 1) :, 1 + c * (width + 1) :][:height, :width] for c in range(n)] for r in range(2)
    ])  # fmt: skip


def test_nothing_is_drawn_without_the_metric():
    assert NearestPairs()(FakeTrained()) is None


@pytest.mark.parametrize(("scored", "features"), [("", "_inception"), ("_inception", "")])
def test_nothing_is_drawn_of_novelty_in_other_features(scored, features):
    assert NearestPairs()(fake(scored=scored, features=features)) is None


def test_novelty_in_features_with_a_suffix_is_drawn():
    made = fake(scored="_inception", features="_inception")
    made.scores.arrays["nearest_training_images"] = PAIRS[:1]  # the classifier's stand beside it
    figure = NearestPairs()(made)
    assert [text.get_text() for text in figure.axes[0].texts] == TEXTS
    assert "4.5 % are near copies" in figure.get_suptitle()


@pytest.mark.parametrize("x_shape", [(1, 8, 8), (3, 9, 11)])
def test_each_sample_stands_over_its_training_image(x_shape):
    made = fake(x_shape)
    shown = tiles(NearestPairs()(made), 3, *x_shape[1:])
    drawn = torch.cat(list(made.sample(1002)))
    train = bytes_of(made.data.train).float() / 255
    for column, (sample, place, _) in enumerate(PAIRS):
        for row, image in ((0, drawn[sample]), (1, train[place])):
            expected = image.permute(1, 2, 0).expand(-1, -1, 3)
            np.testing.assert_allclose(shown[row, column], expected, atol=1e-6)


def test_places_are_among_the_training_images_that_were_searched():
    made = fake(searched=31)
    asked = []
    clean = made.data.clean
    made.data.clean = lambda split, n: asked.append((split, n)) or clean(split, n)
    NearestPairs()(made)
    assert asked == [("train", 31)]


def test_distances_stand_under_the_pairs():
    assert [text.get_text() for text in NearestPairs()(fake()).axes[0].texts] == TEXTS


def test_both_curves_can_be_distinguished():
    axes = NearestPairs()(fake()).axes[1]
    test, generated, mark = axes.get_lines()
    np.testing.assert_allclose(test.get_xdata(), np.linspace(0.5, 2, 101))
    np.testing.assert_allclose(generated.get_xdata(), np.linspace(0.1, 3, 101))
    np.testing.assert_allclose(test.get_ydata(), np.arange(101))
    assert mark.get_xdata()[0] == pytest.approx(0.515)
    assert test.get_linestyle() != generated.get_linestyle()
    assert "samples" in generated.get_label()


def test_a_single_pair_can_be_drawn():
    figure = NearestPairs()(fake(pairs=PAIRS[1:2]))
    assert tiles(figure, 1, 8, 8).shape[1] == 1
    figure.canvas.draw()


def test_both_shares_stand_in_the_title():
    title = NearestPairs()(fake()).get_suptitle()
    assert "4.5 % are near copies" in title
    assert "= 0.12" in title
