"""The sections on the latent dimension and on the weights of the loss."""

from itertools import pairwise

from report_page.plots import curves_of, floor, over, protocol
from report_page.section import MISSING, Section, verdict
from vae_lab.compare.reading import Record
from vae_lab.figures.plots import Plot

COLLAPSED = 0.1  # KL in nats per image below which the posterior has collapsed, as in the metric latent_use


def curves(dims: dict[float, Record]) -> Section:
    """Return the section on the loss per epoch for each latent dimension."""
    seen = MISSING
    if dims:
        last = {n: record.history[-1] for n, record in dims.items()}
        best = min(last, key=lambda n: last[n]["val/loss"])
        fell = all(record.history[0]["val/loss"] > record.history[-1]["val/loss"] for record in dims.values())
        gap = {n: row["val/loss"] - row["train/loss"] for n, row in last.items()}
        worst = max(gap, key=lambda n: gap[n])
        seen = (
            f"{verdict(fell, True)} {'All' if fell else 'Not all'} curves fall. Lowest validation loss after the last "
            f"epoch at {best:g} dimensions ({last[best]['val/loss']:.2f}). "
            f"Training and validation stay together: the largest gap is {gap[worst]:.2f}, at {worst:g}."
        )
    named = {f"{n:g}": record for n, record in dims.items()}
    plots = [curves_of(f"{split}/loss", named, "latent_dim") for split in ("train", "val")] if dims else []
    return Section(
        "Loss curves per latent dimension",
        "Train and test loss per epoch for each latent dimension. Here, the held-out part of the training images (val) "
        "takes the place of the test set during training.",
        seen,
        plots,
    )


def dimension(dims: dict[float, Record]) -> Section:
    """Return the section on the FID over the latent dimension."""
    states = "A U with its best at 16 dimensions (FID 15.77 on the report's own classifier)."
    if len(dims) < 3:
        return Section("FID against latent dimension", states, MISSING)
    fid = {n: record.scores["test/fid"] for n, record in dims.items()}
    best, values = min(fid, key=lambda n: fid[n]), list(fid.values())
    place = values.index(fid[best])
    falls = all(a > b for a, b in pairwise(values[: place + 1]))
    rises = all(a < b for a, b in pairwise(values[place:]))
    shape = f"{verdict(falls and rises, False)} {'A U' if falls and rises else 'Not a clean U'}:"
    values_text = ", ".join(f"{n:g}: {value:.0f}" for n, value in fid.items())
    values_text += "".join(
        f". At {n:g} dimensions the posterior collapsed (KL {record.scores['test/kl']:.2g} nats): every sample is the "
        "mean image, so this point says nothing about the dimension"
        for n, record in dims.items()
        if record.scores["test/kl"] < COLLAPSED
    )
    lines = [
        over("samples", dims, "test/fid"),
        over("reconstructions", dims, "test/fid_reconstructions"),
        floor(dims),
    ]
    plot = Plot(
        "FID against latent dimension",
        "latent dimension",
        "FID (lower is better)",
        lines,
        subtitle=protocol(dims),
        log_x=True,
        log_y=True,
    )
    seen = f"{verdict(best == 16, False)} Lowest at {best:g} dimensions. {shape} FID of samples {values_text}."
    return Section("FID against latent dimension", states, seen, [plot])


def against_the_code(dims: dict[float, Record], as_run: dict[float, Record]) -> Section:
    """Return the section that compares the report's equation with the weighting in the published code."""
    title, both = "The equation, and the code as it was run", sorted(set(dims) & set(as_run))
    states = (
        "The report's code averages the KL over batch and dimensions, so that its weight is 2/(batch·dimensions) "
        "times the weight in the report's equation: the model is nearly a plain autoencoder."
    )
    if not both:
        return Section(title, states, MISSING)
    pairs = "; ".join(
        f"{n:g} dimensions: FID {dims[n].scores['test/fid']:.0f} and {as_run[n].scores['test/fid']:.0f}, "
        f"KL {dims[n].scores['test/kl']:.1f} and {as_run[n].scores['test/kl']:.1f} nats"
        for n in both
    )
    lines = [over("equation", dims, "test/fid"), over("code as run", as_run, "test/fid")]
    plot = Plot(
        title,
        "latent dimension",
        "FID of samples from N(0, I) (lower is better)",
        lines,
        subtitle=protocol(as_run),
        log_x=True,
        log_y=True,
    )
    higher = all(as_run[n].scores["test/kl"] > dims[n].scores["test/kl"] for n in both)
    holds = verdict(higher, False)
    return Section(
        title, states, f"{holds} The code's weighting lets the KL grow: {pairs} (equation and code).", [plot]
    )


def proportion(weights: dict[float, Record]) -> Section:
    """Return the section on the FID over the proportion of reconstruction."""
    title, states = "FID against the proportion of reconstruction", "Best in the middle of k1/(k1+k2) from 0 to 1."
    if len(weights) < 3:
        return Section(title, states, MISSING)
    fid = {share: record.scores["test/fid"] for share, record in weights.items()}
    best = min(fid, key=lambda share: fid[share])
    inside = 0 < best < 1
    near = [f"{share:g}: {value:.0f}" for share, value in fid.items()]
    plot = Plot(
        title,
        "proportion of reconstruction k1/(k1+k2)",
        "FID of samples (lower is better)",
        [over("samples", weights, "test/fid"), floor(weights)],
        subtitle=protocol(weights),
    )
    where = "in the middle" if 0.25 <= best <= 0.75 else "inside, not in the middle," if inside else "at an end"
    seen = (
        f"{verdict(0.25 <= best <= 0.75, inside)} The lowest lies {where} at {best:g} (FID {fid[best]:.0f}); "
        f"all: {', '.join(near)}."
    )
    return Section(title, states, seen, [plot])
