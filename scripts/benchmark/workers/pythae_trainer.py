"""Train the benchmark's networks with the TrainingPipeline of pythae.

Its loss per image is half of the squared error plus the KL.
"""

import tempfile
from collections.abc import Callable

import torch
from common import VAE, FirstStep, image_bytes, now, read_case, report
from pythae.models import VAE as PythaeVAE
from pythae.models import VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.pipelines import TrainingPipeline
from pythae.trainers import BaseTrainer, BaseTrainerConfig

TrainStep = Callable[[BaseTrainer, int], object]


class Encoder(BaseEncoder):
    """The encoder of the benchmark with pythae's interface."""

    def __init__(self, vae: VAE) -> None:
        super().__init__()
        self.encoder, self.mu, self.log_var = vae.encoder, vae.mu, vae.log_var

    def forward(self, x: torch.Tensor) -> ModelOutput:
        """Return mean and log-variance of q(z|x)."""
        h = self.encoder(x)
        return ModelOutput(embedding=self.mu(h), log_covariance=self.log_var(h))


class Decoder(BaseDecoder):
    """The decoder of the benchmark with pythae's interface, which expects images in [0, 1]."""

    def __init__(self, vae: VAE) -> None:
        super().__init__()
        self.decoder = vae.decoder

    def forward(self, z: torch.Tensor) -> ModelOutput:
        """Return the mean of p(x|z)."""
        return ModelOutput(reconstruction=torch.sigmoid(self.decoder(z)))


def timed(train_step: TrainStep, seconds: list[float]) -> TrainStep:
    """Return pythae's method for an epoch, changed so that it appends the epoch's seconds to a list."""

    def call(self: BaseTrainer, epoch: int) -> object:
        started = now()
        loss = train_step(self, epoch)
        seconds.append(now() - started)
        return loss

    return call


def main() -> None:
    """Train the case and report the measurements."""
    case, first = read_case(), FirstStep()
    seconds: list[float] = []
    BaseTrainer.train_step = timed(BaseTrainer.train_step, seconds)
    vae = VAE(case)
    model = PythaeVAE(VAEConfig(input_dim=case.x_shape, latent_dim=case.latent_dim), Encoder(vae), Decoder(vae))
    with tempfile.TemporaryDirectory() as folder:
        config = BaseTrainerConfig(
            output_dir=folder,
            per_device_train_batch_size=case.batch,
            num_epochs=case.epochs,
            learning_rate=case.lr,
        )
        TrainingPipeline(training_config=config, model=model)(train_data=image_bytes(case).float() / 255)
    report(seconds, first, ["pythae"])


if __name__ == "__main__":
    main()
