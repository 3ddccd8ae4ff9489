"""The discrete codes of a trained model's examples, to which a prior over codes is fitted."""

from collections.abc import Iterable, Iterator, Sequence

import torch

from vae_lab.examples import Data
from vae_lab.inference import code_sizes
from vae_lab.noise import SeededNoise
from vae_lab.types import Batch, CodeBatch, Model, Shape


class EncodedCodes:
    """Codes of the training and the validation set, encoded anew at every pass: a :class:`vae_lab.types.CodeSource`.

    With ``dataset.binarize=dynamic``, and with a stochastic posterior, an example has other codes in every epoch.

    Args:
        model: a model of discrete codes in evaluation mode.
        data: the dataset.
        epochs: number of epochs that the model was trained for; those of the fit are counted after them, so that
            examples are drawn anew.
        seed: of the noise of the posterior.
        device: of the model; None: that of the data.
    """

    def __init__(self, model: Model, data: Data, epochs: int, seed: int, device: torch.device | None = None) -> None:
        self.model, self.data, self.after, self.seed = model, data, epochs, seed
        self.device = device or data.device
        self.examples, self.held_out_examples = len(data.train), len(data.val)

    @property
    def shapes(self) -> Sequence[Shape]:
        """The shape of one example's codes, of every level."""
        return self.model.latent_shapes

    @property
    def sizes(self) -> Sequence[int]:
        """K of every level."""
        return code_sizes(self.model)

    @property
    def y_size(self) -> int:
        """Number of classes or attributes of a conditional model, otherwise 0."""
        return self.data.y_size if self.model.conditional else 0

    def batches(self, epoch: int, size: int) -> Iterator[CodeBatch]:
        """Yield the codes of the training set in the order of an epoch."""
        return self._encoded(self.data.epoch(self.after + epoch, size), epoch)

    def held_out(self, size: int) -> Iterator[CodeBatch]:
        """Yield the codes of the validation set."""
        return self._encoded(self.data.batches("val", size=size), -1)

    def _encoded(self, batches: Iterable[Batch], epoch: int) -> Iterator[CodeBatch]:
        for number, batch in enumerate(batches):
            noise = SeededNoise(self.device, self.seed, "codes of priors", epoch, number)
            x, y = batch.x.to(self.device), None if batch.y is None else batch.y.to(self.device)
            with torch.no_grad():
                latents = self.model.infer(x, y, 1, noise)
            assert latents.codes is not None
            yield CodeBatch(tuple(codes[0] for codes in latents.codes), y if self.model.conditional else None)
