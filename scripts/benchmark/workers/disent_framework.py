"""disent's Vae framework on the same networks, with its own dataset class and Lightning's trainer, as in its README."""

import tempfile

import lightning as L
import torch
from common import VAE, Case, EpochClock, FirstStep, image_bytes, report, told
from disent.dataset import DisentDataset
from disent.frameworks.vae import Vae
from disent.model import AutoEncoder, DisentDecoder, DisentEncoder
from torch.utils.data import DataLoader, TensorDataset


class Encoder(DisentEncoder):
    """Ours behind disent's interface."""

    def __init__(self, vae: VAE, case: Case) -> None:
        super().__init__(x_shape=case.x_shape, z_size=case.latent_dim, z_multiplier=2)
        self.encoder, self.mu, self.log_var = vae.encoder, vae.mu, vae.log_var

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Moments of q(z|x), side by side."""
        h = self.encoder(x)
        return torch.cat([self.mu(h), self.log_var(h)], 1)


class Decoder(DisentDecoder):
    """Ours behind disent's interface, which expects the numbers before the last activation."""

    def __init__(self, vae: VAE, case: Case) -> None:
        super().__init__(x_shape=case.x_shape, z_size=case.latent_dim)
        self.decoder = vae.decoder

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """Codes to images."""
        return self.decoder(z)


class Clock(EpochClock, L.Callback):
    """Seconds of each epoch."""


def scaled(item: tuple[torch.Tensor]) -> torch.Tensor:
    """Bytes to numbers in [0, 1]."""
    return item[0].float() / 255


def main() -> None:
    """Train."""
    case, first, clock = told(), FirstStep(), Clock()
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
