import pytest

from vae_lab.errors import did_you_mean


@pytest.mark.parametrize(("word", "nearest"), [("latent_dims", "latent_dim"), ("bata", "beta"), ("ephocs", "epochs")])
def test_a_near_word_is_suggested(word, nearest):
    assert f"did you mean '{nearest}'?" in did_you_mean(word, ["epochs", "beta", "latent_dim"])


def test_nothing_is_suggested_where_nothing_is_near():
    assert did_you_mean("zzzzzz", ["epochs", "beta", "latent_dim"]) == ""
    assert did_you_mean("beta", []) == ""
