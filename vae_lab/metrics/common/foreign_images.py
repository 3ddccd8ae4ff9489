"""Images of kinds that a model was not trained on, as many of each as there are normal test images."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from vae_lab.errors import UserError
from vae_lab.examples import Examples
from vae_lab.functional import noised
from vae_lab.noise import generator
from vae_lab.scores import Trained
from vae_lab.types import Batch

MADE = ("test", "uniform", "gaussian", "rotated", "other_classes")  # kinds that need no other dataset; test is normal
_NO_LABELS = (
    "No ood_auroc of noise and of other datasets: a conditional model scores an image given its label, and these "
    "images have none."
)


class ForeignImages:
    """The kinds of foreign images that suit a model, each made anew at every pass.

    Args:
        trained: the model with its data.
        n: number of test images from which the normal ones are taken, by a fixed draw.
        others: name -> source of another dataset; the first one whose files are present and whose images have the shape
            of the test images is used.
        kinds: the kinds that are wanted; None: all that suit the model.

    Attributes:
        kinds: the names of the kinds that there are.
        other: the name of the other dataset; None if there is none.
        mean, sigma: the moments of the test images' values, which the Gaussian noise has.
        y: of a conditional model, the labels or attributes of the normal images.
        notes: why kinds are missing.
    """

    def __init__(
        self, trained: Trained, n: int, others: Mapping[str, Any], kinds: Collection[str] | None = None
    ) -> None:
        self.trained, self.n = trained, n
        self.mean, self.sigma = moments(trained, n)
        wanted = {name: source for name, source in others.items() if kinds is None or name in kinds}
        asked = kinds is None or bool(wanted)
        self.other, self._examples, self.notes = self._another(wanted) if asked else (None, None, [])
        self.kinds = ["uniform", "gaussian", "rotated", *([self.other] if self.other else [])]
        self.kinds += ["other_classes"] if trained.data.normal else []
        self.y: Tensor | None = None
        if trained.model.conditional:
            self.other, self.kinds, self.notes = None, ["rotated"], [_NO_LABELS]
            self.y = torch.cat([batch.y for batch in normal(trained, n) if batch.y is not None])
        self.kinds = [kind for kind in self.kinds if kinds is None or kind in kinds]

    def batches(self, kind: str) -> Iterator[Tensor]:
        """Yield the images of a kind as the model receives them; ``test`` are the normal ones."""
        trained, noise = self.trained, self.trained.noise(f"ood images {kind}")
        if kind not in MADE:
            assert self._examples is not None
            order = torch.randperm(len(self._examples), generator=generator("cpu", trained.seed, "ood", kind))
            for index in order[: self.n].split(1000):
                grey = self._examples.at(index)[0].to(trained.device).float() / 255
                yield trained.data.as_received(grey, noise)
            return
        for batch in normal(trained, self.n, others=kind == "other_classes"):
            if kind == "uniform":
                yield trained.data.as_received(noise.uniform(*batch.x.shape), noise)
            elif kind == "gaussian":
                grey = noised(torch.full_like(batch.x, self.mean), self.sigma, noise.normal(*batch.x.shape))
                yield trained.data.as_received(grey, noise)
            else:
                yield batch.x.rot90(2, (2, 3)) if kind == "rotated" else batch.x

    def _another(self, others: Mapping[str, Any]) -> tuple[str | None, Examples | None, list[str]]:
        """The name and images of the first other dataset that is present and has the same shape; notes if none is."""
        data, problems = self.trained.data, []
        candidates = {k: source for k, source in others.items() if source and k != data.name}
        for name, source in candidates.items():
            try:
                images = source.present(data.root)
            except UserError as why:
                problems.append(f"{why}.")
                continue
            if images is not None and tuple(images.stored.shape[1:]) == tuple(data.x_shape):
                return name, images, []
        size = "×".join(map(str, data.x_shape))
        missing = f"No ood_auroc of another dataset: none of {', '.join(candidates) or '(none named)'} lies in "
        return None, None, [f"{missing}{data.root} with images of {size}; this metric downloads nothing.",
                            *problems]  # fmt: skip


def normal(trained: Trained, n: int | None, others: bool = False) -> Iterator[Batch]:
    """Yield those of n test examples whose class the model was trained on, or the others; by default, all were.

    Batches that would be empty are left out.
    """
    labels = trained.data.normal
    for batch in trained.data.batches("test", n):
        if not labels:
            yield batch
            continue
        assert batch.y is not None
        chosen = torch.isin(batch.y, torch.tensor(labels, device=batch.y.device)) != others
        if chosen.any():
            yield Batch(batch.x[chosen], batch.target[chosen], batch.y[chosen])


def moments(trained: Trained, n: int) -> tuple[float, float]:
    """Return the mean and the standard deviation of the values of n test images."""
    total, square, count = 0.0, 0.0, 0
    for images in trained.data.clean("test", n):
        total, square = total + images.double().sum().item(), square + images.double().square().sum().item()
        count += images.numel()
    mean = total / count
    return mean, max(0.0, square / count - mean**2) ** 0.5
