"""The training loop of priors over codes, which encodes the examples anew in every epoch and may be interrupted."""

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor, nn

from vae_lab.errors import UserError
from vae_lab.types import CodeBatch, CodeSource, Progress, Unfinished

CLIP = 1.0  # largest norm of the gradient
WARM_UP = 0.05  # share of the steps in which the learning rate grows
AT_ONCE = 500  # examples that are scored at a time, or fewer:
LOGITS = 2**22  # in memory at a time, when codes are scored

Nats = Callable[[CodeBatch], Tensor]  # −log p of the codes of one level, [B]


class PriorTraining:
    """Trains the networks of a prior with AdamW, one after the other, and keeps the weights of the best epoch of each.

    The learning rate grows linearly over the first steps, then falls to 0 along a cosine. The state is kept after every
    epoch, and a fit that was interrupted continues there with the same result.

    Args:
        epochs: largest number of passes over the training set, per level.
        batch_size: examples per step.
        lr: largest learning rate.
        weight_decay: of AdamW.
        patience: the training of a level ends after this many epochs without a lower held-out loss.
    """

    def __init__(
        self,
        epochs: PositiveInt,
        batch_size: PositiveInt,
        lr: PositiveFloat,
        weight_decay: NonNegativeFloat,
        patience: PositiveInt,
    ) -> None:
        self.epochs, self.batch_size, self.lr = epochs, batch_size, lr
        self.weight_decay, self.patience = weight_decay, patience

    def __call__(
        self,
        networks: Sequence[nn.Module],
        nats: Sequence[Nats],
        source: CodeSource,
        progress: Progress,
        unfinished: Unfinished,
    ) -> list[dict[str, float]]:
        """Train the networks, and put them into evaluation mode.

        Args:
            networks: one per level, on the device of the source.
            nats: the loss of each.
            source: gives the codes.
            progress: shows the progress.
            unfinished: where the state is kept.

        Returns:
            For each level the held-out loss, the best epoch and the number of epochs, for the protocol.

        Raises:
            UserError: a held-out loss was NaN or infinite in all epochs.
        """
        kept = unfinished.read() or {}
        done: list[dict[str, Any]] = kept.get("done", [])
        state: dict[str, Any] | None = kept.get("state")
        for level, (network, of_network) in enumerate(zip(networks, nats, strict=True)):
            if level == len(done):

                def keep(state: dict[str, Any]) -> None:
                    unfinished.keep({"done": done, "state": state})

                which = f" of level {level + 1} of {len(networks)}" if len(networks) > 1 else ""
                state = self._train(network, of_network, source, progress, f"fitting the prior{which}", state, keep)
                done.append({key: state[key] for key in ("best", "best_loss", "best_epoch", "epoch")})
                state = None
                unfinished.keep({"done": done, "state": None})
            network.load_state_dict(done[level]["best"])
            network.requires_grad_(False).eval()
        return [
            {"held_out_nats": part["best_loss"], "best_epoch": part["best_epoch"], "epochs": part["epoch"]}
            for part in done
        ]

    def _train(
        self,
        network: nn.Module,
        nats: Nats,
        source: CodeSource,
        progress: Progress,
        task: str,
        state: dict[str, Any] | None,
        keep: Callable[[dict[str, Any]], None],
    ) -> dict[str, Any]:
        """Train one network from its first epoch, or from a state that was kept; return its last state."""
        optimizer = torch.optim.AdamW(network.parameters(), self.lr, (0.9, 0.95), weight_decay=self.weight_decay)
        state = state or {"epoch": 0, "best_loss": math.inf, "best_epoch": 0, "best": {}}
        if state["epoch"]:
            network.load_state_dict(state["network"])
            optimizer.load_state_dict(state["optimizer"])
        per_epoch = -(-source.examples // self.batch_size)
        left = range(0) if self._has_ended(state) else range(state["epoch"] * per_epoch, self.epochs * per_epoch)
        steps = progress(left, f"{task}, {self.budget(source)}")
        for step, batch in zip(steps, self._batches(source, state["epoch"])):
            network.train()
            for group in optimizer.param_groups:
                group["lr"] = self.lr * _scale(step, self.epochs * per_epoch)
            optimizer.zero_grad()
            nats(batch).mean().backward()
            nn.utils.clip_grad_norm_(network.parameters(), CLIP)
            optimizer.step()
            if (step + 1) % per_epoch == 0:
                state = _after_epoch(state, network, optimizer, _held_out(network, nats, source))
                keep(state)
                if self._has_ended(state):
                    break
        if not state["best"]:
            raise UserError(f"sampler.lr={self.lr}: the loss became NaN or infinite; type a smaller sampler.lr")
        return state

    def _has_ended(self, state: dict[str, Any]) -> bool:
        return bool(state["epoch"] - state["best_epoch"] >= self.patience)

    def budget(self, source: CodeSource) -> str:
        """The largest number of codes that are seen: ``8 epochs of 54,000 × 49 codes``."""
        codes = sum(math.prod(shape) for shape in source.shapes)
        return f"{self.epochs} epoch{'s' if self.epochs > 1 else ''} of {source.examples:,} × {codes:,} codes"

    def _batches(self, source: CodeSource, done: int) -> Iterator[CodeBatch]:
        for epoch in range(done, self.epochs):
            yield from source.batches(epoch, self.batch_size)


def _scale(step: int, total: int) -> float:
    """The learning rate of a step, as a share of the largest."""
    growing = max(1, round(WARM_UP * total))
    return min((step + 1) / growing, 0.5 + 0.5 * math.cos(math.pi * max(0, step - growing) / max(1, total - growing)))


def scored_at_once(logits: int) -> int:
    """How many examples of this number of logits each are scored at a time."""
    return max(1, min(AT_ONCE, LOGITS // logits))


def held_out_at_once(source: CodeSource) -> int:
    """How many held-out examples are encoded and scored at a time, whichever the level."""
    levels = zip(source.sizes, source.shapes, strict=True)
    return scored_at_once(max(codes * math.prod(shape) for codes, shape in levels))


def _held_out(network: nn.Module, nats: Nats, source: CodeSource) -> float:
    """The mean loss of the held-out examples."""
    network.eval()
    with torch.no_grad():
        batches = source.held_out(held_out_at_once(source))
        return torch.cat([nats(batch).cpu().double() for batch in batches]).mean().item()


def _after_epoch(
    state: dict[str, Any], network: nn.Module, optimizer: torch.optim.Optimizer, loss: float
) -> dict[str, Any]:
    """The state after one more epoch, with a held-out loss."""
    epoch, weights = state["epoch"] + 1, copy.deepcopy(network.state_dict())
    found = {"best_loss": loss, "best_epoch": epoch, "best": weights} if loss < state["best_loss"] else {}
    return {**state, "epoch": epoch, "network": weights, "optimizer": optimizer.state_dict(), **found}
