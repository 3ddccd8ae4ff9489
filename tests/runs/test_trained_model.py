"""The use of trained runs in Python, and ``vae_lab.train``: runs of every family encode, decode and reconstruct."""

import numpy as np
import pytest
import torch

import vae_lab
from vae_lab.commands.encode import table_of
from vae_lab.latents.code_files import read_codes, write_table

FAMILIES = {
    "dense": ["model=dense"],
    "cnn": ["model=cnn"],
    "conditional": ["model=dense", "conditional=true"],
    "iaf": ["model=dense", "posterior=iaf"],
    "ladder": ["model=ladder"],
    "vdvae": ["model=vdvae", "model.net.width=8", "model.net.middle=4"],
    "vq_vae": ["model=vq_vae", "sampler=prior"],
    "autoencoder": ["model=dense", "objective=ae"],
}
TINY = {"dataset": "digits", "dataset.limit": 16, "likelihood": "mse", "batch_size": 8, "epochs": 1, "logger": None,
        "metrics": None, "figures": None, "latent_dim": 3}  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder, made = tmp_path_factory.mktemp("families"), {}

    def run(family):
        if family not in made:
            dimension = {} if family in ("dense", "cnn", "conditional", "iaf", "autoencoder") else {"latent_dim": 16}
            place = {"hydra.run.dir": folder / family}
            quiet = dict.fromkeys(("logger", "metrics", "figures"), "none")
            made[family] = vae_lab.train(FAMILIES[family], TINY | quiet | dimension | place)
        return made[family]

    return run


@pytest.fixture(params=FAMILIES)
def run(request, trained):
    return trained(request.param)


def examples(run, n=7):
    batch = next(run.data.batches("test", n=n))
    return batch.x, batch.y if run.model.conditional else None


def test_decoded_codes_are_the_reconstructions(run):
    x, y = examples(run)
    codes = run.encode(x.clone().requires_grad_(), y)
    x_hat = run.decode(codes, y)
    assert x_hat.equal(run.reconstruct(x, y))
    torch.testing.assert_close(x_hat, run.evaluation.reconstruct(x, y), rtol=0, atol=1e-6)
    assert x_hat.shape == x.shape
    for plain in (codes, x_hat):
        assert not plain.requires_grad
        assert not plain.is_inference()


@pytest.mark.parametrize("suffix", [".csv", ".npy"])
def test_decoded_codes_of_a_file_are_the_reconstructions(run, tmp_path, suffix):
    x, y = examples(run)
    path = tmp_path / f"codes{suffix}"
    write_table(path, suffix, [table_of(run, [str(i) for i in range(7)], y, run.posterior(x, y))])
    codes, others = read_codes(path, "codes=x")
    if y is not None:
        assert list(others["y"]) == [run.environment["classes"][label] for label in y.tolist()]
    z = torch.from_numpy(codes if codes.dtype.kind == "i" else codes.astype(np.float32))
    assert run.decode(z, y).equal(run.reconstruct(x, y))


def test_a_line_leads_from_one_reconstruction_to_the_other(run):
    x, y = examples(run, 2)
    line = run.interpolate(x[0], x[1], steps=5, y=y)
    assert line.shape == (5, *x.shape[1:])
    torch.testing.assert_close(line[[0, -1]], run.reconstruct(x, y), rtol=0, atol=1e-5)
    assert not run.interpolate(x[0], x[1], 5, y, spherical=True)[2].equal(line[2]) or run.encode(x, y).shape[1] == 0
    assert not line.requires_grad


def test_labels_are_those_that_are_typed(trained):
    run = trained("conditional")
    x, _ = examples(run, 3)
    seven = run.encode(x, y=7)
    assert seven.equal(run.encode(x, y=torch.tensor([7, 7, 7])))
    assert seven.equal(run.encode(x, y=["7", 7, "7"]))
    assert not seven.equal(run.encode(x, y=3))
    assert run.interpolate(x[0], x[1], 3, y=[7, 3])[0].allclose(run.reconstruct(x[:1], y=7), atol=1e-5)


@pytest.mark.parametrize(
    ("use", "told"),
    [
        (lambda run, x: run.encode(x[0]), r"x of shape \[1, 8, 8\]; images \[N, 1, 8, 8\] are needed"),
        (lambda run, x: run.encode((x * 255).byte()), r"type x.float\(\) / 255"),
        (lambda run, x: run.encode(2 * x - 1), r"x holds values that are from -1 to 1, .* floats in \[0, 1\]"),
        (lambda run, x: run.reconstruct(x / 0), "x holds values that are NaN or infinite"),
        (lambda run, x: run.sample(0), "n=0: at least one example is drawn; type n=16"),
        (lambda run, x: run.encode(x, y=3), "y=3: this run is not conditional"),
        (lambda run, x: run.encode(x, y=torch.tensor([3])), "this run is not conditional"),
        (
            lambda run, x: run.decode(torch.zeros(2, 5)),
            "5 values per image, and this run has 3; the codes are those of",
        ),
        (lambda run, x: run.interpolate(x[0], x[1], steps=1), "steps=1: a line has two ends"),
    ],
)
def test_what_does_not_suit_the_run_is_refused(trained, use, told):
    run = trained("dense")
    with pytest.raises(vae_lab.UserError, match=told):
        use(run, examples(run, 2)[0])


@pytest.mark.parametrize(
    ("y", "told"),
    [
        (None, "this run is conditional; type y=0, the label"),
        ([1, 2, 3], "y has 3 entries for 2 images; type one, or one for each"),
        ("ten", "y=ten: no such label"),
    ],
)
def test_a_conditional_run_needs_labels_that_it_has(trained, y, told):
    run = trained("conditional")
    with pytest.raises(vae_lab.UserError, match=told):
        run.encode(examples(run, 2)[0], y)
