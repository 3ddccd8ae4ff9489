import pytest
import torch
from helpers import FakeExtractor, FakeTrained, labelled

from vae_lab.metrics.common.image_scores import ImageScores, images_compared
from vae_lab.scores import Scores


def made(**more) -> FakeTrained:
    return FakeTrained(labelled(30), **more)


def collected(extractor: FakeExtractor | None = None) -> ImageScores:
    return ImageScores("fid", made(), extractor or FakeExtractor(), 20, kernel="cubic")


@pytest.mark.parametrize(
    ("asked", "test", "pool", "available", "n"),
    [(10, 30, 30, None, 10), (99, 30, 40, None, 30), (99, 40, 30, None, 30), (99, 40, 30, 5, 5), (3, 40, 30, 5, 3)],
)
def test_the_number_of_compared_images_is_that_of_the_smallest_kind(asked, test, pool, available, n):
    fake = made(available=available)
    fake.data.test, fake.data.pool = labelled(test), labelled(pool)
    assert images_compared(fake, asked) == n


def test_the_protocol_holds_everything_needed_to_report_the_number():
    protocol = collected().scores.protocol["fid"]
    assert protocol == {
        "features": "fake, 6-d",
        "extractor_sha256": "abc",
        "images": 20,
        "sampler": "prior, decoder means",
        "reference": "20 of 30 test images of fake",
        "floor": "20 training images in place of the generated ones",
        "seed": 0,
        "kernel": "cubic",
    }


def test_a_value_stands_under_its_name_with_meaning_and_interval():
    found = collected()
    found.put("fid", 3.0, torch.linspace(3, 5, 101), "lower is better")
    found.put("fid", 1.0, None, "lower is better", floor=True)
    assert found.scores.values == {"fid": 3.0, "fid_floor": 1.0}
    assert found.scores.meanings == {"fid": "lower is better", "fid_floor": "lower is better, real training images"}
    assert found.scores.intervals == {"fid": pytest.approx((2.05, 3.95))}


def test_the_suffix_of_the_features_stands_before_that_of_the_floor():
    found = collected(FakeExtractor(suffix="_inception"))
    found.put("fid", 3.0, torch.ones(3), "lower is better", floor=True)
    assert list(found.scores.values) == list(found.scores.intervals) == ["fid_inception_floor"]
    assert list(found.scores.protocol) == ["fid_inception"]


def test_intervals_stay_within_the_range_that_is_named():
    found = collected()
    found.put("share", 0.9, torch.linspace(0, 1, 101), high=1.0)
    found.put("kid", 0.0, torch.linspace(0, 1, 101), low=-float("inf"))
    assert found.scores.intervals["share"] == pytest.approx((0.425, 1))
    assert found.scores.intervals["kid"] == pytest.approx((-0.475, 0.475))


KNOWN = Scores(
    {"test/fid": 9.0, "test/fid_floor": 1.5, "test/fid_infinity_floor": 1.0},
    {"fid": {**FakeExtractor().about, "images": 20, "sampler": "another", "reference": "20 of 30 test images of fake",
             "floor": "20 training images in place of the generated ones", "seed": 0, "kernel": "cubic"}},
    intervals={"test/fid_floor": (1.0, 2.0)},
    meanings=dict.fromkeys(("test/fid_floor", "test/fid_infinity_floor"), "m"),
)  # fmt: skip


def test_the_floor_that_another_sampler_was_held_against_is_taken_over():
    found = ImageScores("fid", made(known=KNOWN), FakeExtractor(), 20, kernel="cubic")
    assert found.sources == (("samples", False),)
    found.put("fid", 3.0, torch.ones(3), "lower is better")
    found.put("other", 4.0)
    assert found.scores.values == {"fid": 3.0, "fid_floor": 1.5, "other": 4.0}
    assert found.scores.intervals["fid_floor"] == (1.0, 2.0)
    assert found.scores.meanings["fid_floor"] == "m"


@pytest.mark.parametrize(("n", "kernel", "sha256"), [(19, "cubic", "abc"), (20, "rbf", "abc"), (20, "cubic", "xyz")])
def test_a_floor_under_another_protocol_is_scored_again(n, kernel, sha256):
    found = ImageScores("fid", made(known=KNOWN), FakeExtractor(sha256=sha256), n, kernel=kernel)
    assert [source for source, _ in found.sources] == ["samples", "pool"]
    found.put("fid", 3.0, torch.ones(3))
    assert list(found.scores.values) == ["fid"]
