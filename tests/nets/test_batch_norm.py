import pytest
import torch
from conftest import BARE
from helpers import SHAPES, gen, weights_of
from torch import nn

from vae_lab.nets.batch_norm import BatchNorm


@pytest.mark.parametrize("shape", [(5,), (3, 4, 6)])
def test_equals_torch_in_training_and_when_scored(shape):
    theirs = (nn.BatchNorm1d if len(shape) == 1 else nn.BatchNorm2d)(shape[0])
    ours = BatchNorm(shape[0])
    for i in range(3):
        x = 2 + 3 * torch.randn((7, *shape), generator=gen(i))
        assert torch.allclose(ours(x), theirs(x), atol=1e-5)
    assert torch.allclose(ours.running_mean, theirs.running_mean, atol=1e-5)
    assert torch.allclose(ours.running_var, theirs.running_var, atol=1e-5)
    assert torch.allclose(ours.eval()(x), theirs.eval()(x), atol=1e-5)


def test_state_is_assigned_and_not_changed_in_place():
    norm = BatchNorm(3)
    before = norm.running_mean
    norm(torch.randn((4, 3), generator=gen()) + 5)
    assert norm.running_mean is not before
    assert (before == 0).all()
    assert (norm.running_mean > 0.1).all()
    assert set(norm.state_dict()) == {"weight", "bias", "running_mean", "running_var"}


def test_one_value_per_feature_is_scored_with_the_running_means():
    norm = BatchNorm(3)
    x = torch.randn((1, 3), generator=gen())
    assert torch.allclose(norm(x), x, atol=1e-4)
    assert (norm.running_mean == 0).all()


def test_scoring_keeps_nothing():
    norm = BatchNorm(2).eval()
    norm(torch.randn((4, 2), generator=gen()))
    assert (norm.running_mean == 0).all()


@pytest.mark.parametrize("training", [True, False])
def test_a_derivative_within_a_loss_leaves_plain_state_behind(training):
    norm = BatchNorm(2).train(training)
    x = torch.randn((4, 2), generator=gen())
    slope = torch.func.jvp(norm, (x,), (torch.ones_like(x),))[1]
    torch.func.grad(lambda x: norm(x).square().sum())(x)
    assert slope.isfinite().all()
    assert (norm.running_mean == 0).all()
    norm(x)  # this call fails if a wrapper of torch.func is left in the state


def test_three_stacked_are_three_alone():
    norms = [BatchNorm(2) for _ in range(3)]
    params, buffers = torch.func.stack_module_state(norms)
    x = torch.randn((3, 5, 2), generator=gen())
    stacked = torch.func.vmap(lambda p, b, x: torch.func.functional_call(norms[0], {**p, **b}, (x,)))(
        params, buffers, x
    )
    assert torch.allclose(stacked, torch.stack([norm(one) for norm, one in zip(norms, x)]), atol=1e-5)


def test_shapes_of_the_house_pass():
    for shape in SHAPES:
        assert BatchNorm(shape[0])(torch.rand(2, *shape)).shape == (2, *shape)


def test_running_means_survive_a_resumed_run(cli, tmp_path):
    words = ["dataset=digits", "dataset.limit=64", "batch_size=16", "model=infogan", "model.net.hidden=8", *BARE]
    for epochs, folder in ((3, "whole"), (2, "pieces")):
        assert cli("train", *words, f"epochs={epochs}", f"hydra.run.dir={folder}").status == 0
    config = tmp_path / "pieces" / "config.yaml"
    config.write_text(config.read_text().replace("epochs: 2", "epochs: 3"))
    (tmp_path / "pieces" / "results.json").unlink()
    assert cli("train", "resume=pieces").status == 0
    whole, pieces = weights_of(tmp_path / "whole"), weights_of(tmp_path / "pieces")
    held = [name for name in whole if name.endswith("running_mean")]
    assert held
    assert all((whole[name] != 0).any() for name in held)
    assert all(torch.equal(whole[name], pieces[name]) for name in whole)
