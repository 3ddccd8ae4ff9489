"""Images as one picture in a data URL, of which the page cuts single images."""

import base64
import io
from typing import Any

from torch import Tensor
from torch.nn.functional import interpolate

LARGEST = 64  # pixels of the longer side of an image in a sheet
_QUALITY = 85  # of coloured images, which are stored as WebP


def sheet(images: Tensor) -> dict[str, Any]:
    """Return images [N, C, H, W] in [0, 1] as one picture: ``src``, and ``width``, ``height``, ``columns`` of an image.

    Images that are larger than :data:`LARGEST` are reduced. Those with one or three channels are shown as they are, and
    others as the mean of their channels.
    """
    from torchvision.transforms.v2.functional import to_pil_image
    from torchvision.utils import make_grid

    shown = images if images.shape[1] in (1, 3) else images.mean(1, keepdim=True)
    height, width = shown.shape[2:]
    factor = min(1.0, LARGEST / max(height, width))
    if factor < 1:
        height, width = (max(1, round(side * factor)) for side in (height, width))
        shown = interpolate(shown, (height, width), mode="area")
    columns = max(1, round(len(shown) ** 0.5))
    picture = to_pil_image(make_grid(shown.clamp(0, 1), columns, padding=0)[: shown.shape[1]])
    file, kind = io.BytesIO(), "png" if shown.shape[1] == 1 else "webp"
    picture.save(file, kind, **({"optimize": True} if kind == "png" else {"quality": _QUALITY}))
    source = f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"
    return {"src": source, "width": width, "height": height, "columns": columns}
