"""Tests of the probability mass function of independent tokens."""

from itertools import product

import pytest
import torch
from helpers import gen

from vae_lab.likelihoods import Categorical
from vae_lab.noise import SeededNoise

V, T = 3, 4


def given() -> torch.Tensor:
    return torch.randn(2, 5, T, V, generator=gen())


def test_it_is_the_categorical_of_torch():
    target = torch.randint(0, V, (5, T), generator=gen(1))
    expected = torch.distributions.Categorical(logits=given()).log_prob(target).sum(-1)
    torch.testing.assert_close(Categorical(V).log_prob(given(), target), expected)


def test_the_masses_of_all_sequences_sum_to_one():
    params = given()[:1, :1]
    every = torch.tensor(list(product(range(V), repeat=T)))
    log_p = Categorical(V).log_prob(params.expand(1, len(every), T, V), every)
    assert log_p.exp().sum().item() == pytest.approx(1, abs=1e-5)


def test_the_mean_is_the_most_probable_token_and_draws_have_the_right_frequencies():
    params = given()
    assert torch.equal(Categorical(V).mean(params), params.argmax(-1))
    many = params[:1, :1].expand(1, 20_000, T, V)
    drawn = Categorical(V).sample(many, SeededNoise("cpu", 0))
    shares = torch.nn.functional.one_hot(drawn[0], V).float().mean(0)
    torch.testing.assert_close(shares, params[0, 0].softmax(-1), atol=0.015, rtol=0)


def test_the_decoder_gives_a_logit_for_each_token_of_each_position():
    assert Categorical(V).params_shape((T,)) == (T, V)
    assert Categorical(V).discrete
    assert Categorical(V).no_likelihood(torch.zeros(2, T)) == ""
