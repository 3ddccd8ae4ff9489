"""Holds the page's arithmetic against the model's, before the page is written and again in the page."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vae_lab.errors import UserError
from vae_lab.explorer.program import Program, encoded
from vae_lab.explorer.replay import replay
from vae_lab.latents.aggregate import Aggregate

CODES = 16
TOLERANCE = 2 / 255  # the largest difference of a pixel


@dataclass(frozen=True)
class Checks:
    """Codes with what the model decodes from them."""

    z: Tensor  # [16, D]
    y: Tensor | None  # [16, A]
    images: Tensor  # [16, C, H, W]

    def for_page(self) -> dict[str, Any]:
        """Return them as the page reads them."""
        pixels = (self.images * 255).round().to(torch.uint8)
        y = None if self.y is None else self.y.tolist()
        return {"z": encoded(self.z.numpy()), "y": y, "pixels": encoded(pixels.numpy()), "tolerance": 255 * TOLERANCE}


def checks_of(
    codes: Tensor, aggregate: Aggregate, y: Tensor | None, decode: Callable[[Tensor, Tensor | None], Tensor]
) -> Checks:
    """Decode 16 codes: half of them codes of images, the others draws from a Gaussian with their mean and sd.

    Args:
        codes: means of q(z|x), [N, D].
        aggregate: their moments.
        y: their y, [N, A], of a conditional model.
        decode: the model's decoder.
    """
    chosen = torch.linspace(0, len(codes) - 1, CODES).long()
    noise = torch.randn(CODES // 2, codes.shape[1], generator=torch.Generator().manual_seed(0))
    z = torch.cat([codes[chosen[: CODES // 2]], aggregate.mean + aggregate.sd * noise])
    given = None if y is None else y[chosen]
    return Checks(z, given, decode(z, given))


def refuse_other_pixels(program: Program, checks: Checks) -> float:
    """Return the largest difference between the page's pixels and the model's.

    Raises:
        UserError: it is above 2/255.
    """
    worst = float((replay(program, checks.z, checks.y) - checks.images).abs().max())
    if not worst <= TOLERANCE:
        advice = "; type weights=fp32" if program.precision == "fp16" else ""
        raise UserError(
            f"the page would show other images than the model: its pixels differ by up to {255 * worst:.1f}/255 on "
            f"{CODES} codes, and {255 * TOLERANCE:.0f}/255 is allowed{advice}"
        )
    return worst
