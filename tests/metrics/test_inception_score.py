import pytest
import torch
from helpers import FakeExtractor, gen, scored
from torchmetrics.image.inception import InceptionScore as TorchmetricsScore

from vae_lab.metrics.common.resampling import resamples
from vae_lab.metrics.inception_score import InceptionScore, inception_score


def certain(labels: torch.Tensor, classes: int) -> torch.Tensor:
    return 1000.0 * torch.nn.functional.one_hot(labels, classes)


class PassThrough(torch.nn.Module):
    """Logits in the place of images."""

    def forward(self, x):
        return x


@pytest.mark.filterwarnings("ignore:Metric `InceptionScore`", "ignore:std\\(\\)")
def test_it_is_the_number_that_torchmetrics_gives_for_one_part():
    logits = 3 * torch.randn(200, 7, generator=gen())
    other = TorchmetricsScore(PassThrough(), splits=1)
    other.update(logits)
    assert inception_score(logits).item() == pytest.approx(other.compute()[0].item(), rel=1e-5)


@pytest.mark.parametrize("classes", [2, 10])
def test_clear_images_of_all_classes_reach_the_number_of_classes(classes):
    assert inception_score(certain(torch.arange(60) % classes, classes)).item() == pytest.approx(classes)


@pytest.mark.parametrize(
    "logits", [torch.zeros(50, 5), torch.randn(1, 5, generator=gen()).expand(50, 5), certain(torch.ones(50).long(), 5)]
)
def test_images_that_are_all_read_alike_reach_1(logits):
    assert inception_score(logits).item() == pytest.approx(1)


def test_logits_that_differ_by_a_constant_are_the_same():
    logits = torch.randn(50, 5, generator=gen())
    assert inception_score(logits + 300).item() == pytest.approx(inception_score(logits).item(), rel=1e-5)


def test_a_resample_is_the_set_with_images_repeated():
    logits = torch.randn(40, 5, generator=gen())
    counts = resamples(40, 3, 0)
    repeated = [inception_score(logits.repeat_interleave(row.long(), dim=0)).item() for row in counts]
    assert inception_score(logits, counts).tolist() == pytest.approx(repeated)


def test_samples_and_training_images_are_scored():
    samples, pool = torch.randn(60, 5, generator=gen()), certain(torch.arange(60) % 5, 5)
    fake = scored(60, samples=samples, pool=pool)
    found = InceptionScore(bootstrap=20)(fake)
    assert found.values["inception_score"] == pytest.approx(inception_score(samples).item())
    assert found.values["inception_score_floor"] == pytest.approx(5)
    assert set(found.values) == set(found.meanings) == set(found.intervals)
    for name, (low, high) in found.intervals.items():
        assert 1 <= low <= found.values[name] + 1e-9
        assert found.values[name] - 1e-9 <= high <= 5
    assert "1 to 5" in found.meanings["inception_score"]
    assert found.protocol["inception_score"]["images"] == 60
    assert found.protocol["inception_score"]["reference"].startswith("none")


def test_inceptions_own_classes_are_named_as_such():
    logits = torch.randn(60, 8, generator=gen())
    found = InceptionScore(bootstrap=2)(scored(60, FakeExtractor(suffix="_inception"), samples=logits, pool=logits))
    assert set(found.values) == {"inception_score_inception", "inception_score_inception_floor"}
