"""The sections on what a trained model does: its latent space, noise passed through it, and what it generates."""

import json
from pathlib import Path

import torch

import vae_lab
from report_page.section import MISSING, Section, verdict
from vae_lab.compare.reading import Record
from vae_lab.functional import noised

NOISE = 1000  # images of noise that the classifier classifies


def latent_space(dims: dict[float, Record], weights: dict[float, Record]) -> Section:
    """Return the section on the latent space: t-SNE of 256 dimensions, a scatter plot of two."""
    title, states = "Latent space", "t-SNE of 256 dimensions, coloured by label: clusters by digit; a scatter for two."
    wide, flat = dims.get(256), weights.get(0.5)
    seen = MISSING
    if wide:
        seen = "The pictures are below."
        knn = wide.scores.get("test/knn_accuracy")
        if knn is not None:
            seen = (
                f"{verdict(knn > 0.9, knn > 0.7)} The nearest neighbours of a code predict its digit correctly for "
                f"{100 * knn:.1f} % of the test images (256 dimensions)."
            )
    pictures = [
        (record.path / "figures/latent_space.png", caption)
        for record, caption in ((wide, "256 dimensions, t-SNE"), (flat, "2 dimensions"))
        if record
    ]
    return Section(title, states, seen, pictures=pictures)


def noise_to_digit(record: Record | None) -> Section:
    """Return the section on noise images passed through the trained model, and on the other robustness scores."""
    title = "Robustness: noise in, digit out"
    states = "An image of Gaussian noise goes through the trained model and comes out as a plausible digit."
    if record is None:
        return Section(title, states, MISSING)
    noise, digits = _confidence(record.path)
    names = {"mean squared error to the clean image at noise σ 0.4": "denoising_mse",
             "without the model": "denoising_input_mse", "AUROC by ELBO of uniform noise": "ood_auroc_uniform_elbo",
             "of Gaussian noise": "ood_auroc_gaussian_elbo", "of rotated digits": "ood_auroc_rotated_elbo"}  # fmt: skip
    scores = {text: record.scores.get(f"test/{name}") for text, name in names.items()}
    scores_text = ", ".join(f"{text} {value:.3g}" for text, value in scores.items() if value is not None)
    seen = (
        f"{verdict(noise > 0.9 * digits, noise > 0.5 * digits)} A classifier's mean confidence in the model's outputs "
        f"for {NOISE:,} images of Gaussian noise is {100 * noise:.0f} %; for the reconstructions of as many test "
        f"digits it is {100 * digits:.0f} %. Also measured: {scores_text}."
    )
    captions = {"noise_to_digit": "noise in, digit out", "denoising": "denoising", "typical": "most and least typical",
                "ood_roc": "distinguishing other images from test images"}  # fmt: skip
    pictures = [(record.path / "figures" / f"{name}.png", caption) for name, caption in captions.items()]
    return Section(title, states, seen, pictures=pictures)


def _confidence(folder: Path) -> tuple[float, float]:
    """The classifier's mean confidence in the model's outputs for Gaussian noise and for test digits."""
    run = vae_lab.load_run(folder)
    evaluation, gaussian = run.evaluation, run.protocol["ood"]["gaussian"]
    normal = evaluation.noise("report page").normal(NOISE, *run.data.x_shape)
    noise = noised(torch.full_like(normal, gaussian["mean"]), gaussian["sigma"], normal)
    digits = torch.cat(list(run.data.clean("test", NOISE)))
    with torch.inference_mode():
        confidences = [
            evaluation.classifier(evaluation.reconstruct(x))[1].softmax(1).max(1).values for x in (noise, digits)
        ]
    return confidences[0].mean().item(), confidences[1].mean().item()


def generation(record: Record | None) -> Section:
    """Return the section on 1,024 generated samples."""
    title, states = "Generation", "1,024 images from z ~ N(0, I), saved as a grid and as arrays."
    if record is None:
        return Section(title, states, MISSING)
    fid, floor = record.scores["test/fid"], record.scores["test/fid_floor"]
    saved = sorted(path.name for path in (record.path / "samples").glob("*"))
    seen = (
        f"{verdict(len(saved) >= 2, False)} FID {fid:.0f} (real training images: {floor:.1f}). "
        f"Saved: {', '.join(saved) or 'nothing'}."
    )
    return Section(title, states, seen, pictures=[(record.path / "figures/samples.png", "1,024 samples")])


def labels(record: Record | None) -> Section:
    """Return the section on the distribution of the digits that the samples show."""
    title = "Label distribution"
    states = 'A classifier\'s labels of the generated digits, compared with a uniform distribution; "accuracy" 30–35 %.'
    if record is None:
        return Section(title, states, MISSING)
    results = json.loads((record.path / "results.json").read_text(encoding="utf-8"))
    shares = results["arrays"]["labels_generated"]
    shares = [share / sum(shares) for share in shares]
    most, least = max(shares), min(shares)
    uniform = sum(abs(share - 1 / len(shares)) for share in shares) / 2
    seen = (
        f"{verdict(uniform < 0.15, uniform < 0.3)} Near uniform: shares go from {100 * least:.1f} % (digit "
        f"{shares.index(least)}) to {100 * most:.1f} % (digit {shares.index(most)}), and {100 * uniform:.0f} % of the "
        "samples would have to change class to be uniform (total variation; the report does not state how its accuracy "
        "was computed)."
    )
    return Section(title, states, seen, pictures=[(record.path / "figures/label_shares.png", "shares of classes")])
