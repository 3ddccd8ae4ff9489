"""Tests of the scores of discrete codes: perplexity, share of codes used, and notes about what is not used."""

import math
from types import SimpleNamespace

import pytest
import torch
from helpers import FakeTrained
from torch import nn

from vae_lab.examples import ImageBytes
from vae_lab.metrics.codes import Codes, code_uses
from vae_lab.quantizers import EMA, FSQ, Codebook, Residual
from vae_lab.types import Latents


def trained(*levels: torch.Tensor, sizes: tuple[int, ...], residual: bool = False) -> FakeTrained:
    """A model whose codes of all examples, [N, positions] per level, are given; batches are of 5 examples."""
    n = len(levels[0])

    def infer(x, y, k, noise):
        index = x.long()
        codes = tuple(level[index].unsqueeze(0) for level in levels)
        places = [part.shape[2:-1] if residual else part.shape[2:] for part in codes]
        z = tuple(torch.zeros(1, len(index), 3, *shape) for shape in places)
        return Latents(z=z, kl=(), q=(), codes=codes)

    made = FakeTrained()
    made.model = SimpleNamespace(code_sizes=sizes, infer=infer, latent_shapes=[level.shape[1:] for level in levels])
    made.data = SimpleNamespace(
        test=range(n),
        values=ImageBytes(),
        batches=lambda split: (SimpleNamespace(x=x, y=None) for x in torch.arange(n).split(5)),
    )
    return made


def with_quantizer(model: SimpleNamespace, quantizer: nn.Module) -> nn.Module:
    made = nn.Module()
    made.quantizer = quantizer
    made.code_sizes, made.infer, made.latent_shapes = model.code_sizes, model.infer, model.latent_shapes
    return made


def test_the_perplexity_is_that_of_the_whole_test_set():
    """Each of four batches has one code, and all four codes are used alike."""
    codes = torch.arange(4).repeat_interleave(5).view(20, 1).expand(20, 3)
    found = Codes()(trained(codes, sizes=(8,)))
    assert found.values == {
        "perplexity": pytest.approx(4), "codes_used": 0.5, "code_nats": pytest.approx(3 * math.log(4)),
    }  # fmt: skip
    assert found.arrays["code_use"] == [{"of": "", "perplexity": pytest.approx(4), "counts": [15] * 4 + [0] * 4}]
    (note,) = found.notes
    assert note.startswith("The model uses 4 of 8 codes on the test images; the others are dead.")


def test_each_level_is_scored_with_its_own_codes_from_the_top():
    top, bottom = torch.arange(12).view(12, 1) % 2, torch.arange(24).view(12, 2) % 3
    found = Codes()(trained(top, bottom, sizes=(2, 3)))
    assert found.values["perplexity_level2"] == pytest.approx(2)
    assert found.values["perplexity_level1"] == pytest.approx(3)
    assert found.values["codes_used_level1"] == 1
    assert not found.notes
    assert found.protocol["codes"]["codes"] == {"level2": 2, "level1": 3}


def test_each_depth_of_a_residual_quantizer_is_scored():
    codes = torch.stack([torch.arange(10).view(5, 2) % 2, torch.zeros(5, 2, dtype=torch.long)], -1)
    uses = code_uses(trained(codes, sizes=(4,), residual=True))
    assert [use.name for use in uses] == ["_depth1", "_depth2"]
    assert [use.perplexity for use in uses] == pytest.approx([2, 1])
    assert uses[1].words == "Depth 2"


def test_a_level_whose_codes_depend_on_the_position_alone_has_collapsed():
    """Its perplexity is 4, but it says nothing about the image."""
    constant = torch.arange(4).expand(20, 4)
    found = Codes()(trained(constant, torch.arange(20).view(20, 1) % 4, sizes=(4, 4)))
    assert found.values["perplexity_level2"] == pytest.approx(4)
    assert found.values["code_nats_level2"] == 0
    (note,) = found.notes
    assert note.startswith("Level 2 has collapsed: every position has nearly the same code for all images (0 nats")


@pytest.mark.parametrize(
    ("quantizer", "told"),
    [
        (EMA(8, 2, restart_below=0.1), "a larger quantizer.restart_below than 0.1."),
        (Residual(EMA(8, 2), 2), "a larger quantizer.of.restart_below than 0.03."),
        (Codebook(8, 2), "quantizer=ema, which restarts dead codes."),
    ],
)
def test_the_advice_about_dead_codes_fits_the_quantizer(quantizer, told):
    made = trained(torch.arange(20).view(20, 1) % 4, sizes=(8,))
    made.model = with_quantizer(made.model, quantizer)
    (note,) = Codes()(made).notes
    assert note.endswith(f"Try fewer codes, or {told}")


@pytest.mark.parametrize(
    ("quantizer", "ways"), [(EMA(8, 2), "more epochs or quantizer=fsq"), (FSQ([3, 3]), "more epochs")]
)
def test_the_advice_about_a_collapse_fits_a_model_of_one_level(quantizer, ways):
    made = trained(torch.zeros(20, 1, dtype=torch.long), sizes=(8,))
    made.model = with_quantizer(made.model, quantizer)
    assert Codes()(made).notes[0].endswith(f"Try {ways}.")
