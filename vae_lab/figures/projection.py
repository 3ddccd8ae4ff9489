"""Codes of any number of dimensions as points in a plane, with what each axis says.

t-SNE and UMAP keep neighbours together: the gaps between groups and their sizes mean nothing. PCA is linear: distances
are those of the codes as far as the two components go, which the axes say.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from vae_lab.scores import Trained
from vae_lab.system.extras import need

Map = Literal["tsne", "pca", "umap"]

# The angle of the Barnes–Hut approximation. It keeps as many neighbours as the usual 0.5 (trustworthiness 0.98 both).
_ANGLE = 0.8
_NOTHING = "no unit; gaps and sizes of groups mean nothing"


@dataclass
class Projected:
    """Points with the names of their axes, and how they were obtained, in a few words."""

    places: np.ndarray  # [N, 2]
    names: tuple[str, str]
    how: str


def two_dimensions(mu: Tensor, how: str) -> Projected:
    """The first two dimensions of codes [N, D] as they are."""
    return Projected(mu[:, :2].numpy(), ("posterior mean of z[0]", "posterior mean of z[1]"), how)


def all_alike(mu: Tensor) -> bool:
    """Whether codes [N, D] differ by rounding alone.

    Their variance is then 0 in float32, which t-SNE divides by; the NaN end the process with a segmentation fault.
    """
    return bool((mu - mu[0]).abs().max() <= 1e-6 * mu.abs().max())


def pca(mu: Tensor) -> Projected:
    """The first two principal components of codes [N, D], with the share of the variance that each explains.

    The sign of a component is that of its largest weight.
    """
    centred = (mu - mu.mean(0)).double()
    _, scales, components = torch.linalg.svd(centred, full_matrices=False)
    first = components[:2]
    signs = first.gather(1, first.abs().argmax(1, keepdim=True)).sign()
    share = scales.square() / scales.square().sum()
    names = tuple(f"principal component {i + 1} ({100 * share[i]:.0f} % of the variance)" for i in range(2))
    how = f"PCA of {mu.shape[1]} latent dimensions"
    return Projected((centred @ (signs * first).T).float().numpy(), (names[0], names[1]), how)


def tsne(mu: Tensor, perplexity: int, iterations: int, trained: Trained) -> Projected:
    """t-SNE (van der Maaten & Hinton 2008) of codes [N, D], from the same start at every call."""
    from sklearn.manifold import TSNE

    perplexity = min(perplexity, (len(mu) - 1) // 3)  # it uses three times as many neighbours
    run = TSNE(perplexity=perplexity, max_iter=iterations, angle=_ANGLE, init="pca", random_state=0)
    (places,) = (run.fit_transform(mu.numpy()) for _ in trained.progress([0], f"t-SNE of {len(mu):,} codes"))
    how = f"t-SNE of {mu.shape[1]} latent dimensions, perplexity {perplexity}"
    return Projected(places, (f"t-SNE 1 ({_NOTHING})", "t-SNE 2 (no unit)"), how)


def umap(mu: Tensor, neighbours: int, trained: Trained) -> Projected:
    """UMAP (McInnes et al. 2018, arXiv 1802.03426) of codes [N, D], from the same seed at every call.

    Raises:
        UserError: the package umap-learn is not installed.
    """
    maps = need("umap", "figures.latent_space.map=umap", "umap")
    neighbours = min(neighbours, len(mu) - 1)
    run = maps.UMAP(n_neighbors=neighbours, random_state=0, n_jobs=1)
    (places,) = (run.fit_transform(mu.numpy()) for _ in trained.progress([0], f"UMAP of {len(mu):,} codes"))
    how = f"UMAP of {mu.shape[1]} latent dimensions, {neighbours} neighbours"
    return Projected(np.asarray(places), (f"UMAP 1 ({_NOTHING})", "UMAP 2 (no unit)"), how)
