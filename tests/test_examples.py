import pytest

from vae_lab.examples import ImageBytes, RealVectors, Tokens, in_words_of


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (ImageBytes(), "3 images, nats per image, bits per pixel"),
        (Tokens(("a", "b")), "3 sequences, nats per sequence, bits per token"),
        (RealVectors(), "3 vectors, nats per vector, bits per number"),
    ],
)
def test_each_kind_of_values_has_its_words(values, expected):
    text = "3 {many}, nats per {one}, bits per {value}"
    assert in_words_of(values, {"a": text}) == {"a": expected}
