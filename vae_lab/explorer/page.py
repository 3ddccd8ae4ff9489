"""Builds ``explorer.html``: one file with the data, the decoder's weights, the scripts and the style."""

import re
from base64 import b64encode
from html import escape
from pathlib import Path
from typing import Any

from vae_lab.explorer.maps import maps_of
from vae_lab.explorer.material import Material
from vae_lab.explorer.pictures import sheet
from vae_lab.explorer.program import encoded, for_page
from vae_lab.system.inline_json import inline_json

_HERE = Path(__file__).parent / "page"
_SCRIPTS = (
    "numbers.js", "kernel.js", "layers.js", "network.js", "codes.js", "elements.js", "pictures.js", "palette.js",
    "gif.js", "state.js", "address.js", "map_drawing.js", "map.js", "walk.js", "description.js", "line.js",
    "controls.js", "start.js",
)  # fmt: skip


def page_of(material: Material) -> str:
    """Return the page as HTML."""
    parts = {
        "title": escape(material.title),
        "css": (_HERE / "explorer.css").read_text(encoding="utf-8"),
        "data": inline_json(_data(material)),
        "js": "\n".join((_HERE / name).read_text(encoding="utf-8") for name in _SCRIPTS),
    }
    template = (_HERE / "explorer.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match.group(1)], template)


def _data(material: Material) -> dict[str, Any]:
    """What the scripts read as ``DATA``."""
    program, aggregate = material.program, material.aggregate
    return {
        "title": material.title,
        "shape": list(material.images.shape[1:]),
        "codes": {"count": len(material.codes), "size": material.codes.shape[1],
                  "values": encoded(material.codes.half().numpy())},
        "aggregate": {"mean": aggregate.mean.tolist(), "sd": aggregate.sd.tolist(),
                      "kl": None if aggregate.kl is None else aggregate.kl.tolist(),
                      "estimated": aggregate.estimated, "order": aggregate.order.tolist(),
                      "active": int(aggregate.active.sum())},
        "maps": maps_of(material.codes, aggregate.sd),
        "images": sheet(material.images),
        "labels": None if material.labels is None else material.labels.tolist(),
        "classes": list(material.classes),
        "draws": encoded(material.draws.half().numpy()),
        "y": _condition(material),
        "attributes": material.attributes,
        "program": program and for_page(program),
        "parameters": program and program.parameters,
        "worst": 255 * material.worst,
        "kernel": b64encode((_HERE / "gemm.wasm").read_bytes()).decode(),
        "checks": material.checks and material.checks.for_page(),
        "prepared": material.prepared,
    }  # fmt: skip


def _condition(material: Material) -> dict[str, Any] | None:
    """The names of the values of y, whether exactly one of them is 1, and y of each image; None without y."""
    if material.y is None:
        return None
    one_of = material.labels is not None
    return {"names": list(material.y_names), "one": one_of,
            "values": encoded(material.y.half().numpy())}  # fmt: skip
