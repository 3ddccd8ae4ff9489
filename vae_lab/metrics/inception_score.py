"""Inception Score (Salimans et al. 2016, arXiv 1606.03498, section 4): exp E_x KL[p(y|x) ‖ p(y)].

It lies between 1 and the number of classes, and is large if each image clearly shows one class and all classes occur.
With ``features=classifier`` the classes are those of the dataset, with ``features=inception`` those of ImageNet, as in
published scores. It is computed over all images at once, not averaged over ten parts. Because the score looks at
generated images alone, that of real images is reported as well.
"""

import torch
from torch import Tensor

from vae_lab.metrics.common.image_scores import ImageMetric, ImageScores, extractor_of, images_compared
from vae_lab.metrics.common.resampling import bootstrap_protocol, resamples
from vae_lab.scores import Extractor, Generated, Scores


class InceptionScore(ImageMetric):
    """Inception Score of samples, and of training images as the floor."""

    topic = "Samples"
    needs = ("images", "features", "classes_of_features")

    def least(self, extractor: Extractor) -> int:
        """Two, because the score of a single image is always 1."""
        return 2

    def __call__(self, generated: Generated) -> Scores:
        """Return ``inception_score`` and its floor."""
        extractor, n = extractor_of(generated), images_compared(generated, self.samples)
        results = ImageScores("inception_score", generated, extractor, n, bootstrap=bootstrap_protocol(self.bootstrap),
                              reference="none: generated images alone, all at once")  # fmt: skip
        counts = resamples(n, self.bootstrap, generated.seed)
        for source, floor in results.sources:
            logits = generated.logits(source, n)
            classes = logits.shape[1]
            meaning = f"clear and varied classes, 1 to {classes}, higher is better"
            resampled = inception_score(logits, counts)
            results.put("inception_score", inception_score(logits).item(), resampled, meaning, floor, classes, low=1.0)
        return results.scores


def inception_score(logits: Tensor, counts: Tensor | None = None) -> Tensor:
    """Return the Inception Score of logits [n, classes]: [], or with counts [R, n] that of each resample: [R]."""
    log_p = logits.double().log_softmax(1)
    p = log_p.exp()
    weights = (torch.ones(1, len(p), dtype=p.dtype) if counts is None else counts) / len(p)
    own = weights @ (p * log_p).sum(1)
    marginal = weights @ p
    score = (own - torch.special.xlogy(marginal, marginal).sum(1)).exp()
    return score[0] if counts is None else score
