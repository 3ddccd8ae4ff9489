"""A small page in a real browser without a network, and what tests of pages read and do in it."""

from pathlib import Path

import pytest
import torch
from decoders import NOISE
from helpers import small_model
from pages import evaluation_of, write_page
from torch import Tensor

from vae_lab.evaluation.trained import Evaluation
from vae_lab.explorer.material import Material
from vae_lab.latents.codes import decode
from vae_lab.nets.cnn import CNN

NEAR = 2 / 255


@pytest.fixture(scope="module")
def run() -> Evaluation:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = small_model(x_shape=(3, 12, 10), net=CNN(8, 2, 16))
    with torch.no_grad():
        for p in model.decoder.parameters():
            p.mul_(2.5)
    return evaluation_of(model)


@pytest.fixture(scope="module")
def written(run, tmp_path_factory) -> tuple[Path, Material]:
    path = tmp_path_factory.mktemp("explorer") / "explorer.html"
    return path, write_page(run, path)


@pytest.fixture
def page(opened, written):
    return ready(opened(written[0]))


def ready(page):
    """Wait until the images have been loaded and nothing is left to do."""
    page.wait_for_function("!later.size && !frame && [...document.images].every((image) => image.complete)")
    page.wait_for_timeout(60)
    return page


def pixels(page, canvas: str = "image") -> Tensor:
    """The image on a canvas, [3, H, W] in [0, 1]."""
    ready(page)
    width, height, data = page.evaluate(
        "(id) => { const c = document.getElementById(id); "
        "return [c.width, c.height, [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]]; }",
        canvas,
    )
    return torch.tensor(data).view(height, width, 4)[..., :3].permute(2, 0, 1) / 255


def code(page) -> Tensor:
    """The code that is decoded, without rounding."""
    return torch.tensor(page.evaluate("withAttributes(state.z)"))


def from_model(run: Evaluation, z: Tensor, y: Tensor | None = None) -> Tensor:
    return decode(run.model, z[None], y, NOISE)[0]


def matches(page, run: Evaluation, canvas: str = "image", z: Tensor | None = None) -> bool:
    wanted = from_model(run, code(page) if z is None else z)
    return bool((pixels(page, canvas) - wanted).abs().max() <= NEAR)


def drag(page, slider, value: float) -> None:
    slider.evaluate("(input, value) => { input.value = value; input.dispatchEvent(new Event('input')); }", value)
