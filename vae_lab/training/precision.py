"""The precisions of training as Lightning's plugins, and the clipping of gradients, which is the same in all."""

from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.core.optimizer import LightningOptimizer
from pytorch_lightning.plugins.precision import MixedPrecision, Precision
from torch import nn
from torch.optim import Optimizer

NAMES = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}  # as the user types it: Lightning's name


class Float32(Precision):
    """Lightning's float32 precision without the hooks inside an optimizer step, which take 1 % of a dense step."""

    def optimizer_step(  # type: ignore[override]  # the signature of Lightning's method differs from its base, too
        self, optimizer: Optimizer, model: pl.LightningModule, closure: Callable[[], object], **kwargs: Any
    ) -> object:
        """Step the optimizer without the closure, which would call ``on_before_optimizer_step``."""
        return optimizer.step(**kwargs)


class Float16(MixedPrecision):
    """Lightning's float16 precision, for training steps that clip gradients.

    The loss is multiplied by a scale so that small gradients do not become 0 in float16. Lightning clips gradients
    before it divides them by the scale, or refuses to clip. Here, :func:`clip_gradients` divides them first.

    Args:
        device: type of the device, 'cuda' or 'mps'.
    """

    scaler: torch.amp.GradScaler

    def __init__(self, device: str) -> None:
        super().__init__("16-mixed", device)

    def optimizer_step(  # type: ignore[override]
        self, optimizer: Optimizer, model: pl.LightningModule, closure: Callable[[], object], **kwargs: Any
    ) -> object:
        """Step the optimizer, unless a gradient is infinite, and adapt the scale.

        Gradients that still are multiplied by the scale are divided first.
        """
        result = self.scaler.step(optimizer, **kwargs)
        self.scaler.update()
        return result


def lightning_name(typed: str, saved: str | None) -> str:
    """Lightning's name of a precision.

    Args:
        typed: 'fp32', 'bf16' or 'fp16', as the user types it.
        saved: Lightning's name, which configs of earlier versions contain instead.
    """
    return saved or NAMES[typed]


def precision_of(name: str, device: str) -> dict[str, Any]:
    """The Trainer's keyword arguments for a precision with Lightning's name, on a type of device."""
    own: dict[str, Callable[[], Precision]] = {"32-true": Float32, "16-mixed": lambda: Float16(device)}
    return {"plugins": [own[name]()]} if name in own else {"precision": name}


def clip_gradients(optimizer: LightningOptimizer, largest: float, precision: Precision) -> None:
    """Clip the gradients of an optimizer's parameters to a norm of at most ``largest``, in any precision.

    Lightning's function is not used: with bf16 and fp16 it refuses fused optimizers, and with fp16 it clips gradients
    that are still multiplied by the scale.
    """
    if isinstance(precision, Float16):
        precision.scaler.unscale_(optimizer.optimizer)
    nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], largest)
