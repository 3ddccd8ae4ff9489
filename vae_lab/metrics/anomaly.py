"""Anomaly scores: every test image's recon, KL and ELBO, its rank among all, and the most and least typical ones.

An image is the more anomalous the lower its ELBO (the higher its recon, where the objective has no KL): An & Cho 2015;
with the warning of Nalisnick et al. (arXiv 1810.09136) that simple images are likely whatever they show.
"""

from typing import Any

import torch
from pydantic import PositiveInt
from torch import Tensor

from vae_lab.metrics.common.image_terms import ImageTerms, image_terms
from vae_lab.scores import Scores, Trained


class Anomaly:
    """Over all test images.

    Args:
        samples: draws of z behind recon, per image.
        shown: images of each kind for the picture.
    """

    def __init__(self, samples: PositiveInt = 4, shown: PositiveInt = 12) -> None:
        self.samples, self.shown = samples, shown

    def __call__(self, trained: Trained) -> Scores:
        """The score that half and that 1 % of the images exceed; the table ``anomaly_scores``, most anomalous first."""
        n = len(trained.data.test)
        blocks = trained.data.batches("test")
        steps = trained.progress(range(-(-n // 1000)), f"scoring {n:,} images")
        terms = image_terms(trained, (next(blocks).x for _ in steps), "anomaly", self.samples, trained.data.test.y)
        table = ranked(terms, trained.data.test.labels)
        half, few = terms.anomaly.quantile(torch.tensor([0.5, 0.99], dtype=torch.float64)).tolist()
        by = "recon" if terms.kl is None else "−ELBO"
        protocol = {
            "images": n,
            "split": "test",
            "score": by,
            "latent_samples": self.samples if trained.objective.variational else "the posterior's mean",
            "likelihood": type(trained.model.likelihood).__name__,
            "recon_leaves_out": terms.offset,
            "table": "anomaly_scores.csv: index among the test images, rank 1 = most anomalous, percentile = share "
            "(%) of the others that are more typical",
            "seed": trained.seed,
        }
        ends = [_rows(table, range(n - 1, max(-1, n - 1 - self.shown), -1)), _rows(table, range(min(n, self.shown)))]
        return Scores(
            {"anomaly_median": half, "anomaly_p99": few},
            {"anomaly": protocol},
            {"most_typical": ends[0], "least_typical": ends[1]},
            meanings={
                "anomaly_median": f"{by} that half of the test images exceed, nats",
                "anomaly_p99": f"{by} that 1 % of the test images exceed, nats: an alarm there is false so often",
            },
            tables={"anomaly_scores": table},
        )


def ranked(terms: ImageTerms, labels: Tensor | None) -> dict[str, list[Any]]:
    """One row per image, most anomalous first; without labels, and without a KL, those columns are not there."""
    order = terms.anomaly.argsort(descending=True, stable=True)
    n = len(order)
    columns: dict[str, list[Any]] = {"index": order.tolist()}
    if labels is not None:
        columns["label"] = labels[order].tolist()
    columns["recon"] = terms.recon[order].tolist()
    if terms.kl is not None:
        columns |= {"kl": terms.kl[order].tolist(), "elbo": (-terms.anomaly[order]).tolist()}
    columns["rank"] = list(range(1, n + 1))
    columns["percentile"] = [round(100 * (n - rank) / max(1, n - 1), 4) for rank in columns["rank"]]
    return columns


def _rows(table: dict[str, list[Any]], places: range) -> list[dict[str, Any]]:
    return [{name: column[place] for name, column in table.items()} for place in places]
