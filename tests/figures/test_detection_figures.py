import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import FakeTrained, labelled

from vae_lab.evaluation.detection import Detected
from vae_lab.figures.detection import histogram, sheet


def found(images: int = 12) -> Detected:
    scores = torch.arange(float(images)).double()
    return Detected("recon", "recon, nats", {}, scores, torch.linspace(0, 10, 99).double(), 0.05)


def test_the_histogram_has_both_sets_and_the_threshold():
    made = found()
    figure = histogram(made, "a model")
    (axes,) = figure.axes
    line = next(line for line in axes.get_lines())
    assert line.get_xdata() == [made.threshold] * 2
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == [
        "held-out normal images",
        "given images",
        f"threshold {made.threshold:.4g}",
        "last bin: 1 higher score, too",
    ]
    assert axes.get_xlabel().startswith("recon, nats")
    assert "2 of 12 images above the threshold" in figure.get_suptitle().replace("\n", " ")


@pytest.mark.parametrize(("higher", "told"), [(1, "1 higher score, too"), (2, "2 higher scores, too")])
def test_the_last_bin_is_marked_where_it_has_no_end(higher, told):
    scores = torch.cat([torch.linspace(0, 1, 100 * higher - 1), torch.full((higher,), 9.0)]).double()
    made = Detected("recon", "recon, nats", {}, scores, torch.linspace(0, 1, 99).double(), 0.05)
    (axes,) = histogram(made, "a model").axes
    assert f"last bin: {told}" in [text.get_text() for text in axes.get_legend().get_texts()]
    (axes,) = histogram(replace(made, scores=made.scores.clamp(max=1)), "a model").axes
    assert not any("last bin" in text.get_text() for text in axes.get_legend().get_texts())


def test_frames_of_neighbours_and_texts_below_them_do_not_touch():
    trained, scores = FakeTrained(labelled(12)), torch.arange(12.0).double() + 100
    made = Detected("recon", "recon, nats", {}, scores, torch.linspace(0, 10, 99).double(), 0.05)
    x = next(trained.data.batches("test")).x
    names = [f"test/{'broken_large' if i % 2 else 'broken_small'}/{i // 2:03d}.png" for i in range(12)]
    figure = sheet(made, names, lambda: iter([x]), trained)
    figure.canvas.draw()
    axes = figure.axes[0]
    frames = [frame.get_window_extent() for frame in axes.patches]
    assert len(frames) == 12
    assert all(a.x1 + 1 < b.x0 for a, b in itertools.pairwise(frames))
    texts = [text for text in axes.texts if "p = " in text.get_text()]
    boxes = [text.get_window_extent() for text in texts]
    assert all(a.x1 < b.x0 for a, b in itertools.pairwise(boxes))
    assert [text.get_text().splitlines()[:2] for text in texts[:2]] == [["test/…_small/", "000.png"],
                                                                      ["test/…_large/", "000.png"]]  # fmt: skip


def test_the_sheet_shows_the_most_anomalous_first_and_frames_the_flagged():
    trained, made = FakeTrained(labelled(12)), found()
    x = next(trained.data.batches("test")).x
    figure = sheet(made, ["last.png", "before.png", "one.png"], lambda: iter([x[:5], x[5:]]), trained)
    axes, colours = figure.axes
    picture = axes.images[0].get_array()
    np.testing.assert_allclose(picture[1:9, 1:9, 0], x[11, 0], atol=1e-6)  # the highest score
    np.testing.assert_allclose(picture[10:18, 1:9, 0], 1 - x[11, 0], atol=1e-6)  # its reconstruction
    assert len(axes.patches) == 2
    texts = [text.get_text() for text in axes.texts]
    assert any(text.startswith("last.png\n11\np = 0.01") for text in texts)
    assert "error" in colours.get_ylabel()
    figure.canvas.draw()
