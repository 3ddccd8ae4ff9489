import pytest
import torch
from helpers import FakeTrained, labelled

from vae_lab.examples import Examples
from vae_lab.metrics.denoising import Denoising, crossing

N = 300


def grey(n: int = N, value: int = 128) -> Examples:
    return Examples(torch.full((n, 1, 8, 8), value, dtype=torch.uint8), None)


class Identity(FakeTrained):
    def reconstruct(self, x, y=None):
        return x


class Knows(FakeTrained):
    """Gives the clean grey whatever it sees, off by a constant."""

    off = 0.0

    def reconstruct(self, x, y=None):
        return torch.full_like(x, 128 / 255 + self.off)


def test_the_identity_denoises_nothing():
    scores = Denoising(sigmas=[0, 0.05, 0.1], at=0.1)(Identity(grey()))
    assert scores.values == {"denoising_mse": pytest.approx(0.01, rel=0.02), "denoising_input_mse": scores.values[
        "denoising_mse"]}  # fmt: skip
    assert [row["reconstruction"] for row in scores.arrays["denoising"]] == [
        pytest.approx(sigma**2, rel=0.02, abs=1e-12) for sigma in (0, 0.05, 0.1)
    ]
    assert "no reconstruction is nearer" in scores.notes[0]


def test_a_model_that_knows_the_clean_image_helps_from_its_own_error_on():
    trained = Knows(grey(), off=0.1)
    scores = Denoising(sigmas=[0, 0.05, 0.1, 0.15, 0.2], at=0.15)(trained)
    assert scores.values["denoising_mse"] == pytest.approx(0.01, rel=1e-3)
    assert scores.values["denoising_input_mse"] == pytest.approx(0.15**2, rel=0.02)
    assert scores.values["denoising_from"] == pytest.approx(0.1, abs=0.005)
    assert "denoising_until" not in scores.values
    assert scores.notes == []


def test_the_noise_is_clamped_as_in_training():
    scores = Denoising(sigmas=[0.4], at=0.4)(Identity(grey(value=0)))
    assert scores.values["denoising_mse"] == pytest.approx(0.4**2 / 2, rel=0.05)  # the half below 0 is gone


def test_the_sigma_of_the_score_is_always_among_those_tried():
    scores = Denoising(sigmas=[0.1], at=0.3)(Identity(grey(5)))
    assert scores.protocol["denoising"]["sigmas"] == [0.1, 0.3]
    assert "σ=0.3" in scores.meanings["denoising_mse"]


def test_the_interval_holds_the_value_and_shrinks_with_the_images():
    few, many = (Denoising(at=0.4)(Identity(labelled(n))) for n in (20, 250))
    widths = []
    for scores in (few, many):
        low, high = scores.intervals["denoising_mse"]
        assert low < scores.values["denoising_mse"] < high
        widths.append(high - low)
    assert widths[1] < widths[0] / 2


def test_the_number_of_images_is_as_requested_whatever_the_batches():
    assert Denoising(images=7)(Identity(labelled(12))).protocol["denoising"]["images"] == 7
    assert Denoising(images=700)(Identity(labelled(12, (3, 9, 11)))).protocol["denoising"]["images"] == 12


@pytest.mark.parametrize(
    ("gain", "expected"),
    [([-1, -1, 1], 1.5), ([-1, 3, 5], 0.25), ([1, 1, 1], 0), ([-1, 0, -1], None), ([0, 0, 0], None), ([-1, 0, 2], 1)],
)
def test_the_crossing_lies_on_the_line_between_the_points(gain, expected):
    assert crossing([0, 1, 2], gain) == expected


def test_the_noise_at_which_the_model_stops_helping_is_reported():
    class Weak(FakeTrained):
        """Right for little noise, wrong for much: the error of all it gives is 0 or large."""

        def reconstruct(self, x, y=None):
            strong = (x - 0.5).std() > 0.15
            return torch.full_like(x, 128 / 255 + (0.4 if strong else 0.02))

    scores = Denoising(sigmas=[0, 0.1, 0.2, 0.25], at=0.1)(Weak(grey()))
    assert 0 < scores.values["denoising_from"] < 0.1
    assert 0.1 < scores.values["denoising_until"] < 0.2
