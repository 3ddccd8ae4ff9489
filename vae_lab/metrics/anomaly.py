"""Anomaly scores: recon, KL and ELBO of every test example, its rank, and the most and the least typical examples.

An example is more anomalous the lower its ELBO (or, if the objective has no KL, the higher its recon): An & Cho 2015.
Nalisnick et al. (arXiv 1810.09136) warn that simple images have a high likelihood whatever they show.
"""

import torch
from pydantic import PositiveInt
from torch import Tensor

from vae_lab.metrics.common.image_terms import ImageTerms, image_terms
from vae_lab.scores import Scores, Trained


class Anomaly:
    """Anomaly scores of all test examples.

    Args:
        samples: number of draws of z per example.
        shown: number of most and of least typical examples in the figure.
    """

    topic = "Robustness"

    def __init__(self, samples: PositiveInt = 4, shown: PositiveInt = 12) -> None:
        self.samples, self.shown = samples, shown

    def __call__(self, trained: Trained) -> Scores:
        """Return the scores that half and 1 % of the examples exceed, and a table of all, most anomalous first."""
        n, many = len(trained.data.test), trained.data.values.many
        blocks = trained.data.batches("test")
        steps = trained.progress(range(-(-n // 1000)), f"scoring {n:,} {many}")
        terms = image_terms(trained, (next(blocks).x for _ in steps), "anomaly", self.samples, trained.data.test.y)
        table = ranked(terms, trained.data.test.labels)
        median, p99 = terms.anomaly.quantile(torch.tensor([0.5, 0.99], dtype=torch.float64)).tolist()
        score = "recon" if terms.kl is None else "−ELBO"
        protocol = {
            "images": n,
            "split": "test",
            "score": score,
            "latent_samples": self.samples if trained.objective.variational else "the posterior's mean",
            "likelihood": type(trained.model.likelihood).__name__,
            "recon_leaves_out": terms.offset,
            "table": f"anomaly_scores.csv: index among the test {many}, rank 1 = most anomalous, percentile = share "
            "(%) of the others that are more typical",
            "seed": trained.seed,
        }
        return Scores(
            {"anomaly_median": median, "anomaly_p99": p99},
            {"anomaly": protocol},
            {
                "most_typical": _rows(table, range(n - 1, max(-1, n - 1 - self.shown), -1)),
                "least_typical": _rows(table, range(min(n, self.shown))),
            },
            meanings={
                "anomaly_median": f"{score} that half of the test {many} exceed, nats",
                "anomaly_p99": f"{score} that 1 % of the test {many} exceed, nats: an alarm there is false so often",
            },
            tables={"anomaly_scores": table},
        )


def ranked(terms: ImageTerms, labels: Tensor | None) -> dict[str, list[float]]:
    """Return a table of columns with one row per example, most anomalous first.

    The columns ``label``, and ``kl`` and ``elbo``, are left out if there are no labels, or no KL.
    """
    order = terms.anomaly.argsort(descending=True, stable=True)
    n = len(order)
    columns: dict[str, list[float]] = {"index": order.tolist()}
    if labels is not None:
        columns["label"] = labels[order].tolist()
    columns["recon"] = terms.recon[order].tolist()
    if terms.kl is not None:
        columns |= {"kl": terms.kl[order].tolist(), "elbo": (-terms.anomaly[order]).tolist()}
    columns["rank"] = list(range(1, n + 1))
    columns["percentile"] = [round(100 * (n - rank) / max(1, n - 1), 4) for rank in columns["rank"]]
    return columns


def _rows(table: dict[str, list[float]], indices: range) -> list[dict[str, float]]:
    return [{name: column[index] for name, column in table.items()} for index in indices]
