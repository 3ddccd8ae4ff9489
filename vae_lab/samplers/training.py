"""How a sampler's network is trained: a small loop over codes in memory."""

import copy
from collections.abc import Callable
from typing import Annotated, Any

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn

from vae_lab.errors import UserError
from vae_lab.noise import SeededNoise
from vae_lab.samplers.fitted import seed_from
from vae_lab.types import Noise, Progress

HeldOut = Annotated[float, Field(gt=0, lt=1)]
Loss = Callable[[Tensor, Noise], Tensor]  # codes [B, D] to nats per code []
CLIP = 5.0  # largest norm of a gradient


class Training:
    """Adam, its learning rate falling to 0 along a cosine; of all epochs the weights best on held-out codes are kept.

    Args:
        epochs: passes over the codes, at most.
        batch_size: codes per step.
        lr: learning rate at the start.
        held_out: share of the codes that is not trained on.
        patience: end after so many epochs without a better held-out loss.
    """

    def __init__(
        self,
        epochs: PositiveInt,
        batch_size: PositiveInt,
        lr: PositiveFloat,
        held_out: HeldOut,
        patience: PositiveInt,
    ) -> None:
        self.epochs, self.batch_size, self.lr = epochs, batch_size, lr
        self.held_out, self.patience = held_out, patience

    def __call__(
        self, network: nn.Module, loss: Loss, x: Tensor, noise: Noise, progress: Progress, task: str
    ) -> dict[str, Any]:
        """Train on codes x [N, D]; returns the held-out loss and the epochs, for protocols.

        Raises:
            UserError: the loss became NaN in the first epoch.
        """
        order = noise.uniform(len(x)).argsort()
        aside = min(max(1, round(self.held_out * len(x))), len(x) - 1)
        held_out, train = x[order[:aside]], x[order[aside:]]
        optimizer = torch.optim.Adam(network.parameters(), self.lr)
        steps = self.epochs * -(-len(train) // self.batch_size)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        best, kept, found, epoch = 0, {}, float("inf"), 0
        for epoch in progress(range(1, self.epochs + 1), f"{task} {len(x):,} codes"):
            network.train()
            for rows in noise.uniform(len(train)).argsort().split(self.batch_size):
                optimizer.zero_grad()
                loss(train[rows], noise).backward()
                nn.utils.clip_grad_norm_(network.parameters(), CLIP)
                optimizer.step()
                schedule.step()
            with torch.no_grad():  # with the same draws each time, so that epochs compare
                value = loss(held_out, SeededNoise("cpu", "held out")).item()
            if value < found:
                best, found, kept = epoch, value, copy.deepcopy(network.state_dict())
            if epoch - best >= self.patience:
                break
        if not kept:
            raise UserError(f"sampler.lr={self.lr}: the loss became NaN or infinite; type a smaller sampler.lr")
        network.load_state_dict(kept)
        network.requires_grad_(False).eval()
        return {"held_out_loss": found, "held_out_codes": aside, "best_epoch": best, "epochs": epoch}


def fresh(make: Callable[[], Any], noise: Noise) -> Any:
    """What ``make`` gives, its initial weights drawn by ``noise``."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_from(noise))
        return make()
