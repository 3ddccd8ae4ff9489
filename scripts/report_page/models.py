"""The sections that compare the dense model with itself and with the CNN."""

from report_page.plots import curves_of
from report_page.section import MISSING, Section, verdict
from vae_lab.compare.reading import Record


def dense_runs(dense: dict[float, Record], noisy: Record | None) -> Section:
    """Return the section on the dense model with more epochs and with noise."""
    title = "Dense model: epochs and noise"
    states = "FID 25.93 after 20 epochs, 26.50 after 50, 28.47 after 20 with noise (σ 0.4 on half of the images)."
    if len(dense) < 2 or noisy is None:
        return Section(title, states, MISSING)
    (few, first), (many, longer) = list(dense.items())[:2]
    a, b, c = (record.scores["test/fid"] for record in (first, longer, noisy))
    seen = (
        f"{verdict(c > a, False)} Noise makes FID {'worse' if c > a else 'no worse'}: {a:.1f} without, {c:.1f} with "
        f"(after {few:g} and {noisy.config['epochs']} epochs). {verdict(b >= a, False)} More epochs "
        f"{'do not improve it' if b >= a else 'improve it'}: {a:.1f} after {few:g}, {b:.1f} after {many:g}."
    )
    named = {f"{many:g} epochs": longer, f"{few:g} epochs": first, f"{noisy.config['epochs']} with noise": noisy}
    plots = [curves_of(f"{split}/loss", named, "dense model") for split in ("train", "val")]
    return Section(title, states, seen, plots)


def cnn_and_dense(dims: dict[float, Record], dense: dict[float, Record]) -> Section:
    """Return the section that compares the scores and reconstructions of the CNN and the dense model."""
    title, states = "Reconstructions: dense and CNN", "Ten test digits through both models; the CNN is ahead."
    cnn = dims.get(16)
    same = [record for record in dense.values() if cnn and record.config["epochs"] == cnn.config["epochs"]]
    if cnn is None or not dense:
        return Section(title, states, MISSING)
    other = (same or list(dense.values()))[0]
    pairs = [(name, cnn.scores[f"test/{name}"], other.scores[f"test/{name}"]) for name in ("fid", "loss", "recon")]
    pairs_text = ", ".join(f"{name} {a:.4g} and {b:.4g}" for name, a, b in pairs)
    holds = verdict(all(a < b for _, a, b in pairs), pairs[0][1] < pairs[0][2])
    seen = (
        f"{holds} CNN and dense at {cnn.config['latent_dim']} and {other.config['latent_dim']} dimensions after "
        f"{cnn.config['epochs']} and {other.config['epochs']} epochs: {pairs_text} (lower is better)."
    )
    pictures = [
        (cnn.path / "figures/reconstructions.png", "CNN"),
        (next(iter(dense.values())).path / "figures/reconstructions.png", "dense"),
    ]
    return Section(title, states, seen, pictures=pictures)
