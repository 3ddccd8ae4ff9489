"""Tests of the prior over the codes of a discrete model in the whole program."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

import vae_lab
from vae_lab.evaluation.code_source import EncodedCodes

VQ = ("model=vq_vae", "quantizer.codes=6", "quantizer.dims=4", "model.net.width=8", "model.net.blocks=0",
      "dataset=digits", "dataset.limit=64", "dataset.binarize=dynamic", "likelihood=bernoulli", "batch_size=16",
      "epochs=1", "logger=none", "compile=false")  # fmt: skip
PRIOR = ("sampler.layers=1", "sampler.width=8", "sampler.heads=2", "sampler.epochs=2", "sampler.batch_size=32")


@pytest.fixture(scope="module")
def conditional(tmp_path_factory) -> Path:
    """A conditional VQ-VAE with a scored prior over its codes."""
    import sys

    from vae_lab.cli import _main

    folder = tmp_path_factory.mktemp("priors") / "run"
    words = ["train", *VQ, *PRIOR, "conditional=true", "metrics=code_bound", "figures=none", f"hydra.run.dir={folder}"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["vae-lab", *words])
        assert _main(words) == 0
    return folder


def results(folder: Path) -> dict:
    return json.loads((folder / "results.json").read_text())


def fit_of(folder: Path) -> dict:
    return torch.load(folder / "samplers" / "prior.pt", weights_only=True)


def test_the_prior_is_fitted_at_the_end_of_train_and_bounds_the_likelihood(conditional):
    found = results(conditional)
    scores, about = found["metrics"], found["protocol"]["prior"]
    assert about["sampler"] == "a causal transformer over codes"
    assert about["codes"] == "the codes of 64 training images, which are encoded anew in each epoch"
    assert about["budget"] == "2 epochs of 64 × 4 codes"
    assert scores["test/rate_uniform"] == pytest.approx(4 * math.log(6))
    run = vae_lab.load_run(conditional)
    recon, rate = [], []
    for batch in run.data.batches("test"):
        latents = run.model.infer(batch.x, batch.y, 1, run.evaluation.noise("x"))
        with torch.no_grad():
            recon.append(-run.model.likelihood.log_prob(run.model.decode(latents.z, batch.y), batch.target)[0])
            rate.append(-run.evaluation.prior.log_prob((latents.codes[0][0],), batch.y).sum(1))
    bound = torch.cat(recon).mean().item() + torch.cat(rate).mean().item()
    assert scores["test/bound"] == pytest.approx(bound, rel=1e-5)
    assert scores["test/rate_fitted"] == pytest.approx(torch.cat(rate).mean().item(), rel=1e-5)
    assert scores["test/bound_bits_per_dim"] == pytest.approx(bound / 64 / math.log(2), rel=1e-5)
    assert found["meanings"]["test/bound"].endswith("nats per image, lower is better")


def test_samples_come_from_the_prior_with_a_label_and_a_temperature(cli, conditional):
    assert cli("sample", f"run={conditional}", "n=5", "y=7", "temperature=0", "out=drawn").status == 0
    (array,) = Path("drawn").glob("*.npy")
    drawn = np.load(array)
    assert drawn.shape == (5, 1, 8, 8)
    assert np.allclose(drawn, drawn[0])  # the most probable codes of this label
    run = vae_lab.load_run(conditional)
    assert np.allclose(run.sample(5, y=7, temperature=0).numpy(), drawn)
    warm = run.sample(130)
    assert torch.equal(run.sample(3), warm[:3])  # a smaller n gives the first of the same images
    assert not torch.equal(run.sample(3, sampler=run.evaluation.prior, seed=1), warm[:3])


def test_another_prior_is_fitted_beside_that_of_the_run(cli, conditional):
    before = fit_of(conditional)["about"]
    more = ("sampler=pixelcnn", "sampler.layers=1", "sampler.width=8", "sampler.epochs=1", "metrics=code_bound")
    ended = cli("evaluate", f"run={conditional}", *more, "figures=none")
    assert ended.status == 0, ended.err
    scores = results(conditional)["metrics"]
    assert scores["test/rate_fitted_pixelcnn"] != scores["test/rate_fitted"]
    assert scores["test/bound_pixelcnn"] - scores["test/rate_fitted_pixelcnn"] == pytest.approx(
        scores["test/bound"] - scores["test/rate_fitted"]
    )
    assert fit_of(conditional)["about"] == before
    assert cli("sample", f"run={conditional}", "sampler=pixelcnn", "n=2", "out=others").status == 0


@pytest.mark.parametrize("most", [0, 1])
def test_a_fit_that_was_interrupted_continues_by_resume_with_the_same_result(cli, tmp_path, monkeypatch, most):
    words = (*VQ, *PRIOR, "metrics=code_bound", "figures=none")
    assert cli("train", *words, "hydra.run.dir=whole").status == 0
    epochs, batches = [], EncodedCodes.batches

    def counted(self, epoch, size):
        if len(epochs) == most:
            raise KeyboardInterrupt
        epochs.append(epoch)
        return batches(self, epoch, size)

    with monkeypatch.context() as patch:
        patch.setattr(EncodedCodes, "batches", counted)
        ended = cli("train", *words, "hydra.run.dir=cut")
    assert ended.status == 130
    assert "vae-lab train resume=cut" in ended.err
    assert ("and so is the state of the sampler's fit" in ended.err) == (most > 0)
    assert Path("cut/samplers/prior.unfinished.pt").exists() == (most > 0)
    assert cli("train", "resume=cut").status == 0
    assert not Path("cut/samplers/prior.unfinished.pt").exists()
    one, other = fit_of(Path("whole")), fit_of(Path("cut"))
    assert all(torch.equal(one["state"][key], other["state"][key]) for key in one["state"])
    assert results(Path("whole"))["metrics"] == results(Path("cut"))["metrics"]


def test_the_uniform_prior_stays_possible(cli):
    ended = cli("train", *VQ, "sampler=prior", "metrics=[loss_terms,code_bound]", "figures=none", "hydra.run.dir=run")
    assert ended.status == 0, ended.err
    assert not Path("run/samplers").exists()
    assert any(note.startswith("No code_bound: no prior was fitted") for note in results(Path("run"))["notes"])
    assert vae_lab.load_run("run").sample(2).shape == (2, 1, 8, 8)
    ended = cli("sample", "run=run", "temperature=0.2")
    assert ended.status == 2
    assert ended.err.strip() == (
        "vae-lab sample: this run has no prior that was fitted to its codes, and the uniform prior of codes has no "
        "temperature; type temperature=1, or sampler=code_transformer"
    )
    assert not list(Path().glob("run/samples*"))


ONE_POINT = "the codes of model=vq_vae are deterministic, so that further samples repeat the first"
OF_CODES = "codes, and those of this model are"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["sampler=gmm"], f"sampler=gmm is fitted to real {OF_CODES} discrete; type sampler=code_transformer"),
        (["model=dense", "sampler=pixelcnn"], f"=pixelcnn is fitted to discrete {OF_CODES} real; type sampler=gmm"),
        (["sampler=pixelcnn", "sampler.kernel=4"], "sampler.kernel=4: must be 3, 5 or 7"),
        (["sampler=pixelsnail", "sampler.heads=3"], "=3 does not divide sampler.width=64; type sampler.heads=1"),
        (["objective.samples=4"], f"{ONE_POINT}; type objective.samples=1"),
        (["objective=iwae"], "needs the densities of the latents, which this model does not have; "
                             "type objective=elbo, or model=cnn"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_one_line_before_training(cli, words, told):
    of_vq = [word for word in VQ if "model=dense" not in words or not word.startswith(("model", "quantizer"))]
    ended = cli("train", *of_vq, *words, "metrics=none", "figures=none", "hydra.run.dir=run")
    assert ended.status == 2
    assert ended.err.strip().endswith(told)
    assert not Path("run").exists()


def test_a_lost_prior_is_named_by_figures_and_fitted_again_by_evaluate(cli, conditional, tmp_path):
    import shutil

    folder = Path(shutil.copytree(conditional, tmp_path / "copy"))
    (folder / "samplers" / "prior.pt").unlink()
    ended = cli("figures", f"run={folder}", "figures=samples")
    assert ended.status == 2
    assert "is missing or belongs to other weights; type vae-lab evaluate" in ended.err
    before = results(folder)["metrics"]
    assert cli("evaluate", f"run={folder}", "metrics=code_bound", "figures=none").status == 0
    assert results(folder)["metrics"] == before
    assert cli("figures", f"run={folder}", "figures=samples").status == 0


def test_codes_are_encoded_anew_in_each_epoch(conditional):
    run = vae_lab.load_run(conditional)
    source = EncodedCodes(run.model, run.data, epochs=1, seed=0)
    assert (source.shapes, source.sizes, source.y_size, source.examples) == (((2, 2),), (6,), 10, 64)

    def of(epoch: int) -> torch.Tensor:
        batches = [*source.batches(epoch, 20)]
        assert [len(batch.y) for batch in batches] == [20, 20, 20, 4]
        rows = torch.cat([batch.codes[0].flatten(1) for batch in batches])
        labels = torch.cat([batch.y for batch in batches])
        return torch.cat([labels[:, None], rows], 1)

    assert torch.equal(of(0), of(0))
    assert not torch.equal(of(0)[:, 0], of(1)[:, 0])  # another order
    drawn = [sorted(map(tuple, of(epoch).tolist())) for epoch in (0, 1)]
    assert drawn[0] != drawn[1]  # other binary images
    assert torch.equal(*(next(source.held_out(10)).codes[0] for _ in range(2)))
