"""Changes between an image and grids of smaller sizes, for images of any size.

A grid is ``scale`` times smaller than the image, rounded up: an image of 28×28 has grids of 14×14, 7×7, 4×4 and 1×1 at
the scales 2, 4, 8 and 32.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from vae_lab.nets.resizing import Crop, Size


def grid_size(image: Size, scale: int) -> Size:
    """Height and width of the grid, rounded up.

    >>> grid_size((28, 20), 8)
    (4, 3)
    """
    return -(-image[0] // scale), -(-image[1] // scale)


def to_grid(a: int, b: int, image: Size, scale: int) -> list[nn.Module]:
    """Return a convolution from images with ``a`` channels to their grid; its patches overlap by one place."""
    missing = [-length % scale for length in image]
    pad = [nn.ZeroPad2d((0, missing[1], 0, missing[0]))] if any(missing) else []
    return [*pad, nn.Conv2d(a, b, scale + 2, stride=scale, padding=1)]


def from_grid(a: int, b: int, image: Size, scale: int) -> list[nn.Module]:
    """Return the transposed convolution from a grid with ``a`` channels to an image of this size."""
    crop = [Crop(image)] if any(length % scale for length in image) else []
    return [nn.ConvTranspose2d(a, b, scale + 2, stride=scale, padding=1), *crop]


def resized(x: Tensor, size: Size) -> Tensor:
    """A grid [N, C, H, W] of another size: the means of cells if it is smaller, the nearest places if it is larger."""
    old = (x.shape[2], x.shape[3])
    if old == size:
        return x
    if old[0] < size[0] or old[1] < size[1]:
        return F.interpolate(x, size)
    if old[0] % size[0] or old[1] % size[1]:
        return F.adaptive_avg_pool2d(x, size)
    return F.avg_pool2d(x, (old[0] // size[0], old[1] // size[1]))
