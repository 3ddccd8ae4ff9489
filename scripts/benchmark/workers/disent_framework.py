"""Train the Vae framework of disent with its dataset class and Lightning's trainer, as in its README."""

import tempfile

import lightning as L
import torch
from common import VAE, Case, EpochClock, FirstStep, image_bytes, read_case, report
from disent.dataset import DisentDataset
from disent.frameworks.vae import Vae
from disent.model import AutoEncoder, DisentDecoder, DisentEncoder
from torch.utils.data import DataLoader, TensorDataset


class Encoder(DisentEncoder):
    """The encoder of the benchmark with disent's interface."""

    def __init__(self, vae: VAE, case: Case) -> None:
        super().__init__(x_shape=case.x_shape, z_size=case.latent_dim, z_multiplier=2)
        self.encoder, self.mu, self.log_var = vae.encoder, vae.mu, vae.log_var

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Return mean and log-variance of q(z|x), concatenated."""
        h = self.encoder(x)
        return torch.cat([self.mu(h), self.log_var(h)], 1)


class Decoder(DisentDecoder):
    """The decoder of the benchmark with disent's interface, which expects values before the last activation."""

    def __init__(self, vae: VAE, case: Case) -> None:
        super().__init__(x_shape=case.x_shape, z_size=case.latent_dim)
        self.decoder = vae.decoder

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """Decode codes to images."""
        return self.decoder(z)


class Clock(EpochClock, L.Callback):
    """Record the seconds of each epoch."""


def scaled(item: tuple[torch.Tensor]) -> torch.Tensor:
    """Convert an image of bytes to numbers in [0, 1]."""
    return item[0].float() / 255


def main() -> None:
    """Train the case and report the measurements."""
    case, first, clock = read_case(), FirstStep(), Clock()
    vae = VAE(case)
    images = DisentDataset(TensorDataset(image_bytes(case)), transform=scaled)
    framework = Vae(
        AutoEncoder(Encoder(vae, case), Decoder(vae, case)),
        Vae.cfg(optimizer="adam", optimizer_kwargs={"lr": case.lr}, loss_reduction="mean_sum"),
    )
    loader = DataLoader(images, case.batch, shuffle=True, num_workers=2)
    with tempfile.TemporaryDirectory() as folder:
        L.Trainer(max_epochs=case.epochs, callbacks=[clock], default_root_dir=folder).fit(framework, loader)
    report(clock.seconds, first, ["disent", "lightning"])


if __name__ == "__main__":
    main()
