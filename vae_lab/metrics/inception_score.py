"""Inception Score (Salimans et al. 2016, arXiv 1606.03498, section 4): exp E_x KL[p(y|x) ‖ p(y)].

Between 1 and the number of classes: large where each image is clearly of one class and all classes occur. With
``features=classifier`` the classes are the dataset's own, with ``features=inception`` those of ImageNet, as published.
Over all images at once, not averaged over ten parts. It looks at generated images alone, so real ones stand beside it.
"""

import torch
from torch import Tensor

from vae_lab.metrics.common.image_scores import ImageMetric, ImageScores, extractor_of, images_compared
from vae_lab.metrics.common.resampling import bootstrap_protocol, resamples
from vae_lab.scores import Extractor, Generated, Scores


class InceptionScore(ImageMetric):
    """Of samples, and of training images as floor."""

    def least(self, extractor: Extractor) -> int:
        """Two, to differ."""
        return 2

    def __call__(self, made: Generated) -> Scores:
        """``inception_score`` and its floor."""
        extractor, n = extractor_of(made), images_compared(made, self.samples)
        found = ImageScores("inception_score", made, extractor, n, bootstrap=bootstrap_protocol(self.bootstrap),
                            reference="none: generated images alone, all at once")  # fmt: skip
        counts = resamples(n, self.bootstrap, made.seed)
        for source, floor in found.sources:
            logits = made.logits(source, n)
            classes = logits.shape[1]
            meaning = f"clear and varied classes, 1 to {classes}, higher is better"
            resampled = inception_score(logits, counts)
            found.put("inception_score", inception_score(logits).item(), resampled, meaning, floor, classes, low=1.0)
        return found.scores


def inception_score(logits: Tensor, counts: Tensor | None = None) -> Tensor:
    """Of logits [n, classes]: []; with counts [R, n] that of each resample: [R]."""
    log_p = logits.double().log_softmax(1)
    p = log_p.exp()
    weights = (torch.ones(1, len(p), dtype=p.dtype) if counts is None else counts) / len(p)
    own = weights @ (p * log_p).sum(1)
    marginal = weights @ p
    score = (own - torch.special.xlogy(marginal, marginal).sum(1)).exp()
    return score[0] if counts is None else score
