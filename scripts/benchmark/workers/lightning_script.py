"""Train with a typical Lightning script: torchvision dataset, ToTensor, DataLoader, self.log in every step."""

import tempfile

import pytorch_lightning as pl
import torch
from common import VAE, Case, EpochClock, FirstStep, read_case, report
from torch.utils.data import DataLoader, Dataset, Subset
from torchvision.datasets import MNIST, ImageFolder
from torchvision.transforms import ToTensor


class LitVAE(pl.LightningModule):
    """A VAE as in the examples of Lightning."""

    def __init__(self, vae: VAE, lr: float) -> None:
        super().__init__()
        self.vae, self.lr = vae, lr

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> torch.Tensor:
        """Return and log the loss of a batch."""
        loss = self.vae.loss(batch[0])
        self.log("train_loss", loss, prog_bar=True)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the Adam optimizer."""
        return torch.optim.Adam(self.parameters(), lr=self.lr)


class Clock(EpochClock, pl.Callback):
    """Record the seconds of each epoch."""


def dataset(case: Case) -> Dataset:
    """Return the images of an epoch as a dataset of tensors."""
    kind = MNIST if case.side == 28 else ImageFolder
    return Subset(kind(case.data, transform=ToTensor()), range(case.images))


def main() -> None:
    """Train the case and report the measurements."""
    case, first, clock = read_case(), FirstStep(), Clock()
    loader = DataLoader(dataset(case), case.batch, shuffle=True, num_workers=2)
    with tempfile.TemporaryDirectory() as folder:
        trainer = pl.Trainer(max_epochs=case.epochs, callbacks=[clock], default_root_dir=folder)
        trainer.fit(LitVAE(VAE(case), case.lr), loader)
    loss = trainer.callback_metrics["train_loss"].item()
    report(clock.seconds, first, ["pytorch-lightning", "torchvision"], loss=loss)


if __name__ == "__main__":
    main()
