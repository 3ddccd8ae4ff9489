"""The training loop of samplers that are networks: a small loop over codes in memory."""

import copy
from collections.abc import Callable
from typing import Annotated

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, StepLR

from vae_lab.errors import UserError
from vae_lab.noise import SeededNoise
from vae_lab.samplers.fitted import seed_from
from vae_lab.types import Noise, Progress

HeldOut = Annotated[float, Field(gt=0, lt=1)]
Loss = Callable[[Tensor, Noise], Tensor]  # (codes [B, D], noise) -> nats per code []
Draw = Callable[[Tensor, Noise], Tensor]  # (indices of codes, long [B], noise) -> codes [B, D]
CLIP = 5.0  # largest norm of the gradient


class CodeTraining:
    """Trains a network with Adam and keeps the weights of the epoch with the lowest loss on held-out codes.

    Args:
        epochs: largest number of passes over the codes.
        batch_size: codes per step.
        lr: learning rate at the start.
        held_out: fraction of the codes that is held out from training.
        patience: training stops after this many epochs without a lower held-out loss.
        halve_every: the learning rate is halved after every so many epochs; None: it falls to 0 along a cosine.
    """

    def __init__(
        self,
        epochs: PositiveInt,
        batch_size: PositiveInt,
        lr: PositiveFloat,
        held_out: HeldOut,
        patience: PositiveInt,
        halve_every: PositiveInt | None = None,
    ) -> None:
        self.epochs, self.batch_size, self.lr = epochs, batch_size, lr
        self.held_out, self.patience, self.halve_every = held_out, patience, halve_every

    def __call__(
        self,
        network: nn.Module,
        loss: Loss,
        x: Tensor,
        noise: Noise,
        progress: Progress,
        task: str,
        draw: Draw | None = None,
    ) -> dict[str, float]:
        """Train the network and put it into evaluation mode.

        Args:
            network: the network to train.
            loss: the loss of a batch of codes.
            x: all codes [N, D].
            noise: the source of random draws.
            progress: shows the progress.
            task: the description of the progress, which the number of codes completes.
            draw: draws the codes of a step anew; None: they are rows of ``x``, as the held-out codes always are.

        Returns:
            The held-out loss, the number of held-out codes, the best epoch and the number of epochs, for the protocol.

        Raises:
            UserError: the held-out loss was NaN or infinite in all epochs until training stopped.
        """
        order = noise.uniform(len(x)).argsort()
        aside = min(max(1, round(self.held_out * len(x))), len(x) - 1)
        held_out, train = x[order[:aside]], order[aside:]
        draw = draw or (lambda rows, _: x[rows])
        optimizer = torch.optim.Adam(network.parameters(), self.lr)
        schedule = self._schedule(optimizer, steps_per_epoch=-(-len(train) // self.batch_size))
        best_epoch, best_state, best_loss, epoch = 0, {}, float("inf"), 0
        for epoch in progress(range(1, self.epochs + 1), f"{task} {len(x):,} codes"):
            network.train()
            for rows in noise.uniform(len(train)).argsort().split(self.batch_size):
                optimizer.zero_grad()
                loss(draw(train[rows], noise), noise).backward()
                nn.utils.clip_grad_norm_(network.parameters(), CLIP)
                optimizer.step()
                schedule.step()
            # Every epoch is scored with the same draws, so that the losses can be compared.
            with torch.no_grad():
                value = loss(held_out, SeededNoise("cpu", "held out")).item()
            if value < best_loss:
                best_epoch, best_loss, best_state = epoch, value, copy.deepcopy(network.state_dict())
            if epoch - best_epoch >= self.patience:
                break
        if not best_state:
            raise UserError(f"sampler.lr={self.lr}: the loss became NaN or infinite; type a smaller sampler.lr")
        network.load_state_dict(best_state)
        network.requires_grad_(False).eval()
        return {"held_out_loss": best_loss, "held_out_codes": aside, "best_epoch": best_epoch, "epochs": epoch}

    def _schedule(self, optimizer: torch.optim.Optimizer, steps_per_epoch: int) -> LRScheduler:
        """The schedule of the learning rate, which moves in every step."""
        if self.halve_every is None:
            return CosineAnnealingLR(optimizer, self.epochs * steps_per_epoch)
        return StepLR(optimizer, self.halve_every * steps_per_epoch, gamma=0.5)


def build_seeded(build: Callable[[], None], noise: Noise) -> None:
    """Call ``build`` with torch's random generator seeded by ``noise``, which thus determines the initial weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_from(noise))
        build()
