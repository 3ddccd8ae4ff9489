"""Maps of codes: the plane of a two-dimensional space, or projections of larger ones."""

from typing import Any

import torch
from torch import Tensor

from vae_lab.explorer.program import encoded

_PERPLEXITY = 30
_ITERATIONS = 500  # keep neighbours as well as 1,000 do (see figures/latent_space.py)
_FEWEST = 8  # codes of which t-SNE makes a map


def maps_of(codes: Tensor, sd: Tensor) -> list[dict[str, Any]]:
    """Return the maps of codes [N, D]: name, axes, places [N, 2] in base64, and whether a place is a code itself.

    Args:
        codes: means of q(z|x).
        sd: the standard deviation of each dimension; where all are 0, the first two dimensions are shown.
    """
    if codes.shape[1] == 1:
        rows = torch.linspace(-1, 1, len(codes))[torch.randperm(len(codes), generator=torch.Generator().manual_seed(0))]
        return [_map("codes", ("z[0]", "spread at random"), torch.stack([codes[:, 0], rows], 1), "")]
    if codes.shape[1] == 2:
        return [{**_map("codes", ("z[0]", "z[1]"), codes, ""), "plane": True}]
    if len(codes) < _FEWEST or float(sd.max()) <= 1e-6 * float(codes.abs().max()):
        return [_map("codes", ("z[0]", "z[1]"), codes[:, :2], "")]
    return [_tsne(codes), _pca(codes)]


def _pca(codes: Tensor) -> dict[str, Any]:
    centred = (codes - codes.mean(0)).double()
    _, lengths, directions = torch.linalg.svd(centred, full_matrices=False)
    shares = lengths.square() / lengths.square().sum()
    axes = tuple(f"component {i + 1} ({shares[i]:.0%} of the variance)" for i in range(2))
    return _map("PCA", (axes[0], axes[1]), centred @ directions[:2].T, "")


def _tsne(codes: Tensor) -> dict[str, Any]:
    from sklearn.manifold import TSNE

    perplexity = min(_PERPLEXITY, (len(codes) - 1) // 3)
    run = TSNE(perplexity=perplexity, max_iter=_ITERATIONS, angle=0.8, init="pca", random_state=0)
    places = torch.from_numpy(run.fit_transform(codes.numpy()))
    note = "Gaps between clusters and their sizes have no meaning in a t-SNE map; neighbours have one."
    return _map("t-SNE", ("t-SNE 1 (no unit)", "t-SNE 2 (no unit)"), places, note)


def _map(name: str, axes: tuple[str, str], places: Tensor, note: str) -> dict[str, Any]:
    return {"name": name, "axes": axes, "places": encoded(places.float().numpy()), "note": note, "plane": False}
