import pytest
import torch
from test_latent_codes import NOISE, made  # noqa: F401

from vae_lab.errors import UserError
from vae_lab.evaluation.trained import reconstructed
from vae_lab.inference import code_sizes
from vae_lab.latents.codes import decode, encode
from vae_lab.latents.levels import decode_line, decode_matrix, encode_levels, level_sizes, matrix


def test_decoded_codes_of_all_levels_are_the_reconstructions(made):  # noqa: F811
    model, x, y = made
    codes = matrix(encode_levels(model, x, y, NOISE))
    assert codes.shape == (5, sum(level_sizes(model)))
    assert codes.is_floating_point() != bool(code_sizes(model))
    x_hat = decode_matrix(model, codes, y, NOISE)
    # The straight-through estimator, h + (e − h), rounds the vectors e of discrete codes.
    tolerance = 1e-6 if code_sizes(model) else 0
    torch.testing.assert_close(x_hat, reconstructed(model, x, y, NOISE), rtol=0, atol=tolerance)
    assert not x_hat.requires_grad
    assert not x_hat.is_inference()


def test_levels_have_the_moments_that_single_levels_have(made):  # noqa: F811
    model, x, y = made
    for i, level in enumerate(encode_levels(model, x, y, NOISE)):
        one = encode(model, x, y, NOISE, i)
        if one.variance is None:
            assert (level.log_var, level.kl) == (None, None)
            continue
        assert level.codes.equal(one.mean)
        torch.testing.assert_close(level.log_var.exp(), one.variance)
        assert level.kl.equal(one.kl)


def test_the_codes_of_the_top_level_alone_leave_those_below_at_their_means(made):  # noqa: F811
    model, x, y = made
    levels = encode_levels(model, x, y, NOISE)
    if len(levels) == 1:
        return
    if code_sizes(model):
        with pytest.raises(UserError, match=r"and this run has 20; the codes are those of another run$"):
            decode_matrix(model, levels[0].codes, y, NOISE)
        return
    torch.testing.assert_close(
        decode_matrix(model, levels[0].codes, y, NOISE), decode(model, levels[0].codes, y, NOISE)
    )


def test_a_line_ends_in_the_reconstructions(made):  # noqa: F811
    model, x, y = made
    pair = None if y is None else torch.nn.functional.one_hot(y[:2], 3).float()
    for spherical in (False, True):
        line = decode_line(model, x[:2], pair, NOISE, 4, spherical)
        ends = reconstructed(model, x[:2], None if y is None else y[:2], NOISE)
        torch.testing.assert_close(line[[0, -1]], ends, rtol=0, atol=1e-5)
        assert not line[1].equal(line[2])


def test_what_are_no_codes_is_refused(made):  # noqa: F811
    model, x, y = made
    codes = matrix(encode_levels(model, x, y, NOISE))
    with pytest.raises(UserError, match=f"and this run has {codes.shape[1]}"):
        decode_matrix(model, torch.cat([codes, codes[:, :1]], 1), y, NOISE)
    with pytest.raises(UserError, match="one row per image"):
        decode_matrix(model, codes[0], y, NOISE)
    if not code_sizes(model):
        with pytest.raises(UserError, match="NaN or infinite"):
            decode_matrix(model, codes * float("nan"), y, NOISE)
        return
    with pytest.raises(UserError, match="are integers, not real numbers"):
        decode_matrix(model, codes.float(), y, NOISE)
    with pytest.raises(UserError, match="those of this run are from 0 to"):
        decode_matrix(model, codes + 1000, y, NOISE)
