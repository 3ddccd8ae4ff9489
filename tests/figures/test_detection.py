import numpy as np
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
    assert labels == ["held-out normal images", "given images", f"threshold {made.threshold:.4g}"]
    assert axes.get_xlabel().startswith("recon, nats")
    assert "2 of 12 images above the threshold" in figure.get_suptitle().replace("\n", " ")


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
