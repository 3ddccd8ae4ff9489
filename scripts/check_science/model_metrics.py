"""Scores of a trained model: terms of the loss, likelihood, latent space, robustness, probes."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from scipy import optimize, stats
from torch import distributions as D

from check_science.cases import PRIOR
from check_science.checks import Found, check
from check_science.evaluated import TEST, draws, evaluation, images, log_px_of, q_of
from vae_lab.metrics.aggregate_posterior import AggregatePosterior
from vae_lab.metrics.anomaly import Anomaly
from vae_lab.metrics.denoising import Denoising
from vae_lab.metrics.latent_use import LatentUse
from vae_lab.metrics.loss_terms import LossTermScores
from vae_lab.metrics.ood import OOD
from vae_lab.metrics.probe import Probe

D_VALUES = 12  # of an image


@check("metrics", "loss_terms", "loss", "recon", "kl", "elbo", "rate", "distortion", "bits_per_dim",
       reference="the definitions, with torch.distributions (arXiv 1312.6114; 1711.00464)")  # fmt: skip
def loss_terms() -> Iterator[Found]:
    """β = 4, with the same draw of z; for grey and for binary images."""
    for likelihood, constant in (("mse", D_VALUES / 2 * math.log(math.pi)), ("bernoulli", 0.0)):
        made = evaluation("objective=elbo", "beta=4", likelihood=likelihood, binary=likelihood == "bernoulli")
        scores = {k.removeprefix("test/"): v for k, v in made.run({"loss_terms": LossTermScores()}).values.items()}
        x = images(made, "test")
        q = q_of(made, x)
        z = q.loc + q.scale * draws(made, "loss_terms", 1, TEST, 3)
        distortion, kl = -log_px_of(made, likelihood, x, z).mean(), D.kl_divergence(q, PRIOR).sum(1).mean()
        right = {"loss": distortion - constant + 4 * kl, "recon": distortion - constant, "kl": kl,
                 "elbo": -distortion - kl, "rate": kl, "distortion": distortion}  # fmt: skip
        if likelihood == "bernoulli":
            right["bits_per_dim"] = (distortion + kl) / D_VALUES / math.log(2)
        for name, value in right.items():
            yield name, scores[name], value


@check("metrics", "val_loss_terms", "val/loss", "val/recon", "val/kl", "val/elbo",
       reference="the definitions, with torch.distributions (arXiv 1312.6114)")  # fmt: skip
def val_loss_terms() -> Iterator[Found]:
    """β = 4, with the same draw of z, for validation images."""
    made = evaluation("objective=elbo", "beta=4")
    scores = made.run({"val_loss_terms": LossTermScores(split="val")}).values
    x = images(made, "val")
    q = q_of(made, x)
    z = q.loc + q.scale * draws(made, "loss_terms", 1, len(x), 3)
    distortion, kl = -log_px_of(made, "mse", x, z).mean(), D.kl_divergence(q, PRIOR).sum(1).mean()
    recon = distortion - D_VALUES / 2 * math.log(math.pi)
    right = {"loss": recon + 4 * kl, "recon": recon, "kl": kl, "elbo": -distortion - kl}
    for name, value in right.items():
        yield f"val/{name}", scores[f"val/{name}"], value


@check("metrics", "latent_use", "active_units", "kl_per_dim", "mean_variance_per_dim",
       reference="NumPy: Var_x E_q[z_j] > 0.01 (arXiv 1509.00519, section 5.2)")  # fmt: skip
def latent_use() -> Iterator[Found]:
    """One of the three dimensions is switched off."""
    made = evaluation()
    with torch.no_grad():
        made.model.posterior.mu.weight[1] = 0  # type: ignore[union-attr,index,operator]
    scores = made.run({"latent_use": LatentUse()})
    q = q_of(made, images(made, "test"))
    variance = q.loc.detach().numpy().var(0, ddof=1)
    yield "active_units", scores.values["test/active_units"], (variance > 0.01).sum()
    yield "mean_variance_per_dim", scores.arrays["mean_variance_per_dim"], variance
    yield "kl_per_dim", scores.arrays["kl_per_dim"], D.kl_divergence(q, PRIOR).mean(0)


@check("metrics", "aggregate_posterior", "mutual_information", "marginal_kl", "mmd",
       reference="loops over all pairs, SciPy densities (Hoffman & Johnson 2016; arXiv 1711.01558)")  # fmt: skip
def aggregate_posterior() -> Iterator[Found]:
    """I(x; z) and KL[q(z) ‖ p(z)] with q(z) over all test images, and MMD² to prior draws."""
    from check_science.objectives_of_codes import SCALES, mmd_by_loops

    made = evaluation()
    values = made.run({"aggregate_posterior": AggregatePosterior()}).values
    q = q_of(made, images(made, "test"))
    mu, sigma = q.loc.detach().numpy(), q.scale.detach().numpy()
    z = mu + sigma * draws(made, "aggregate_posterior", 1, TEST, 3)[0].numpy()
    gaps = []
    for i in range(TEST):
        densities = [np.prod(stats.norm.pdf(z[i], mu[j], sigma[j])) for j in range(TEST)]
        gaps.append(math.log(densities[i]) - math.log(np.mean(densities)))
    yield "mutual_information", values["test/mutual_information"], np.mean(gaps)
    kl = D.kl_divergence(q, PRIOR).sum(1).mean().item()
    yield "marginal_kl", values["test/marginal_kl"], kl - np.mean(gaps)
    prior = draws(made, "aggregate_posterior prior", TEST, 3)
    yield "mmd", values["test/mmd"], mmd_by_loops(torch.from_numpy(z), prior, "imq", SCALES)


@check(
    "metrics", "anomaly", "elbo", "rank", "anomaly_median", "anomaly_p99", reference="the definitions; SciPy's rankdata"
)
def anomaly() -> Iterator[Found]:
    """−ELBO of every test image with four draws, and its rank."""
    made = evaluation()
    scores = made.run({"anomaly": Anomaly(samples=4)})
    table = scores.tables["anomaly_scores"]
    x = images(made, "test")
    q = q_of(made, x)
    z = q.loc + q.scale * draws(made, "anomaly", 4, TEST, 3)
    score = (D.kl_divergence(q, PRIOR).sum(1) - log_px_of(made, "mse", x, z).mean(0)).detach().numpy()
    order = table["index"]
    yield "elbo", table["elbo"], -score[order]
    yield "rank", table["rank"], stats.rankdata(-score)[order]
    yield "anomaly_median", scores.values["test/anomaly_median"], np.median(score)
    yield "anomaly_p99", scores.values["test/anomaly_p99"], np.percentile(score, 99)


@check("metrics", "denoising", "denoising_mse", "denoising_input_mse", "curve", reference="NumPy, the same noise")
def denoising() -> Iterator[Found]:
    """Squared errors of reconstructions and of noised images at nine strengths."""
    made = evaluation()
    scores = made.run({"denoising": Denoising()})
    x, eps = images(made, "test"), draws(made, "denoising", TEST, 1, 3, 4)
    curve = []
    for sigma in [row["sigma"] for row in scores.arrays["denoising"]]:
        noised = (x + sigma * eps).clip(0, 1)
        out = torch.sigmoid(made.model.decoder(q_of(made, noised).loc))  # type: ignore[operator,attr-defined]
        curve.append([((out - x) ** 2).mean().item(), ((noised - x) ** 2).mean().item()])
    yield "curve", [[row["reconstruction"], row["input"]] for row in scores.arrays["denoising"]], curve
    yield "denoising_mse", scores.values["test/denoising_mse"], curve[4][0]
    yield "denoising_input_mse", scores.values["test/denoising_input_mse"], curve[4][1]


@check("metrics", "ood", "auroc of elbo", "auroc of recon", "auroc of kl",
       reference="SciPy's Mann–Whitney U of the definitions (Hanley & McNeil 1982)")  # fmt: skip
def ood() -> Iterator[Found]:
    """Test images against the same images turned by 180°."""
    made = evaluation()
    values = made.run({"ood": OOD(samples=4)}).values

    def terms(x: torch.Tensor, purpose: str) -> dict[str, np.ndarray]:
        q = q_of(made, x)
        z = q.loc + q.scale * draws(made, purpose, 4, TEST, 3)
        recon, kl = -log_px_of(made, "mse", x, z).mean(0), D.kl_divergence(q, PRIOR).sum(1)
        return {name: part.detach().numpy() for name, part in (("elbo", recon + kl), ("recon", recon), ("kl", kl))}

    x = images(made, "test")
    inliers, outliers = terms(x, "ood test"), terms(x.flip(2, 3), "ood rotated")
    for name in inliers:
        right = stats.mannwhitneyu(outliers[name], inliers[name]).statistic / TEST**2
        yield f"auroc of {name}", values[f"test/ood_auroc_rotated_{name}"], right


@check("metrics", "probe", "probe_accuracy", "knn_accuracy",
       reference="softmax regression by SciPy's BFGS with ½‖w‖²; votes of the five nearest by loops")  # fmt: skip
def probe() -> Iterator[Found]:
    """Classifiers on posterior means."""
    made = evaluation()
    values = made.run({"probe": Probe(max_iter=5000)}).values
    codes, labels = {}, {}
    for split in ("train", "test"):
        codes[split] = q_of(made, images(made, split)).loc.detach().numpy()
        labels[split] = getattr(made.data, split).labels.numpy()
    mean, sd = codes["train"].mean(0), codes["train"].std(0)
    x, new = ((codes[split] - mean) / sd for split in ("train", "test"))
    hot = np.eye(4)[labels["train"]]

    def loss(flat: np.ndarray) -> float:
        w, b = flat[:12].reshape(3, 4), flat[12:]
        logits = x @ w + b
        return float((np.logaddexp.reduce(logits, 1) - (logits * hot).sum(1)).sum() + 0.5 * (w**2).sum())

    best = optimize.minimize(loss, np.zeros(16)).x
    predicted = (new @ best[:12].reshape(3, 4) + best[12:]).argmax(1)
    yield "probe_accuracy", values["test/probe_accuracy"], (predicted == labels["test"]).mean()
    votes = []
    for code in codes["test"]:
        nearest = np.argsort(((codes["train"] - code) ** 2).sum(1))[:5]
        votes.append(np.bincount(labels["train"][nearest], minlength=4).argmax())
    yield "knn_accuracy", values["test/knn_accuracy"], (np.array(votes) == labels["test"]).mean()
