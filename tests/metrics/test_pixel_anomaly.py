import pytest
import torch
from helpers import FakeTrained, bytes_of, labelled

from vae_lab.examples import Examples
from vae_lab.metrics.pixel_anomaly import PixelAnomaly, error_maps


def trained(masks: torch.Tensor) -> FakeTrained:
    return FakeTrained(Examples(bytes_of(labelled(6)), None, masks=masks))


def test_errors_that_lie_on_the_defects_are_perfect_and_others_are_not():
    masks = torch.zeros(6, 1, 8, 8, dtype=torch.uint8)
    masks[0, 0, :3, :3] = masks[2, 0, 5, 5] = 255
    made = trained(masks)
    made.reconstruct = lambda x, y=None: x + masks[: len(x)] / 255  # the error is 1 on defects, 0 elsewhere
    assert PixelAnomaly()(made).values == pytest.approx({"pixel_auroc": 1, "pixel_pro": 1})
    made.reconstruct = lambda x, y=None: x  # all errors are equal
    assert PixelAnomaly()(made).values == pytest.approx({"pixel_auroc": 0.5, "pixel_pro": 0.15})


def test_a_map_is_the_sum_over_channels_and_may_be_smoothed():
    x, x_hat = torch.zeros(1, 3, 9, 9), torch.zeros(1, 3, 9, 9)
    x_hat[0, :, 4, 4] = torch.tensor([1.0, 2.0, 3.0])
    sharp, smooth = error_maps(x, x_hat), error_maps(x, x_hat, 1.0)
    assert sharp[0, 4, 4] == 14
    assert smooth.sum() == pytest.approx(14, rel=1e-3)
    assert smooth[0, 4, 5] == pytest.approx(smooth[0, 5, 4])
    assert 0 < smooth[0, 4, 5] < smooth[0, 4, 4] < 14
