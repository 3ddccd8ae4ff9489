"""Lines and grids between codes.

>>> import torch
>>> a, b = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 2.0])
>>> line(a, b, 3)
tensor([[1.0000, 0.0000],
        [0.5000, 1.0000],
        [0.0000, 2.0000]])
>>> line(a, b, 3, spherical=True)[1]  # sin 45° · a + sin 45° · b
tensor([0.7071, 1.4142])
"""

import torch
from torch import Tensor

_STRAIGHT = 1e-6  # sin ω below which two directions count as parallel


def line(a: Tensor, b: Tensor, steps: int, spherical: bool = False) -> Tensor:
    """``steps`` codes from a to b, both included: [steps, D].

    Args:
        a, b: the ends [D].
        steps: at least 2.
        spherical: along a great circle (:func:`slerp`) instead of a straight line.
    """
    codes = along(a, b, torch.linspace(0, 1, steps), spherical)
    codes[0], codes[-1] = a, b  # exactly
    return codes


def along(a: Tensor, b: Tensor, t: Tensor, spherical: bool = False) -> Tensor:
    """Codes at the places t [T] of the line from a, at 0, to b, at 1: [T, D]; see :func:`line`."""
    if spherical:
        return slerp(a, b, t)
    return _lerp(a.double(), b.double(), t.to(a.device, torch.float64)[:, None]).to(a.dtype)


def slerp(a: Tensor, b: Tensor, t: Tensor | float) -> Tensor:
    """Spherical interpolation, sin((1 − t) ω)/sin ω · a + sin(t ω)/sin ω · b with ω the angle between a and b.

    The vectors are not normalised, so that lengths change from ‖a‖ to ‖b‖ (Shoemake 1985; White 2016,
    arXiv 1609.04468, section 2.1). Where a and b have the same direction, or one of them is 0, the line is straight.
    Where their directions are opposite, every great circle is equally near; the one towards the axis on which a is
    smallest is taken, with lengths that change linearly.

    Args:
        a, b: the ends [D].
        t: where on the line, 0 at a and 1 at b: [T] or a number.

    Returns:
        [T, D], or [D] for a number.
    """
    start, end = a.double(), b.double()
    at = torch.as_tensor(t, dtype=torch.float64, device=a.device).reshape(-1, 1)
    lengths = start.norm(), end.norm()
    if min(lengths) == 0:
        codes = _lerp(start, end, at)
    else:
        cosine = (start @ end / (lengths[0] * lengths[1])).clamp(-1, 1)
        omega = cosine.arccos()
        if omega.sin() > _STRAIGHT:
            codes = (((1 - at) * omega).sin() * start + (at * omega).sin() * end) / omega.sin()
        elif cosine > 0 or len(a) == 1:
            codes = _lerp(start, end, at)
        else:
            codes = _half_circle(start / lengths[0], at) * _lerp(*lengths, at)
    codes = codes.to(a.dtype)
    return codes if isinstance(t, Tensor) and t.ndim else codes[0]


def j_grid(a: Tensor, b: Tensor, c: Tensor, size: int, renorm: bool = False, spherical: bool = False) -> Tensor:
    """A grid of codes [size, size, D] whose corners are a, b, c and their analogy b + c − a (a J-diagram).

    a is at the top left, b at the bottom left and c at the top right (White 2016, arXiv 1609.04468, section 2.2). The
    left and the right column are lines, and so are the rows between them.

    Args:
        a, b, c: codes [D].
        size: rows and columns, at least 2.
        renorm: scale b + c − a to the mean length of b and c. Of independent codes it is √3 times as long as each.
        spherical: lines on great circles.
    """
    d = b + c - a
    if renorm and d.norm() > 0:
        d = d * (0.5 * (b.norm() + c.norm()) / d.norm())
    left, right = line(a, b, size, spherical), line(c, d, size, spherical)
    return torch.stack([line(start, end, size, spherical) for start, end in zip(left, right)])


def _lerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """(1 − t) a + t b."""
    return (1 - t) * a + t * b


def _half_circle(direction: Tensor, t: Tensor) -> Tensor:
    """Unit vectors [T, D] from a direction to its opposite, by way of the axis on which it is smallest."""
    axis = torch.zeros_like(direction)
    axis[direction.abs().argmin()] = 1
    across = axis - (axis @ direction) * direction
    across = across / across.norm()
    angle = torch.pi * t
    return angle.cos() * direction + angle.sin() * across
