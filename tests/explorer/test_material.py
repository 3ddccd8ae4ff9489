"""What a page is made of: codes, maps, sheets of images, vectors of attributes, and the check of its arithmetic."""

import base64
import io
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from decoders import NOISE, made
from helpers import gen, labelled, small_model
from pages import evaluation_of
from PIL import Image

from vae_lab.errors import UserError
from vae_lab.examples import Tokens
from vae_lab.explorer.attributes import attributes_for_page
from vae_lab.explorer.checking import CODES, checks_of, refuse_other_pixels
from vae_lab.explorer.maps import maps_of
from vae_lab.explorer.material import material_of
from vae_lab.explorer.pictures import sheet
from vae_lab.latents.attribute_vectors import mean_difference
from vae_lab.latents.codes import decode, encode


@pytest.fixture(scope="module")
def material():
    return material_of(evaluation_of(made("cnn")), 1000, "fp16")


def test_all_test_images_are_there_with_their_codes(material):
    run = evaluation_of(made("cnn"))
    x = run.data.values.ready(run.data.test.at(torch.arange(40))[0], run.device)
    assert torch.equal(material.images, x)
    assert torch.equal(material.codes, encode(run.model, x, None, NOISE).mean)
    assert material.labels.tolist() == [i % 4 for i in range(40)]
    assert material.draws.shape == (200, 3)
    assert abs(float(material.draws.mean())) < 0.2  # N(0, I)
    assert abs(float(material.draws.std()) - 1) < 0.1


def test_fewer_images_of_large_codes_fit_a_page():
    run = evaluation_of(small_model(latent_dim=40_000))
    made = material_of(run, 1000, "fp16")
    assert len(made.codes) == len(made.images) == len(made.labels) == 18


def test_other_pixels_than_the_models_are_refused(material):
    assert refuse_other_pixels(material.program, material.checks) < 0.5 / 255
    assert len(material.checks.z) == CODES
    wrong = replace(material.checks, images=material.checks.images + 3 / 255)
    with pytest.raises(
        UserError, match=r"differ by up to 3\.\d/255 on 16 codes, and 2/255 is allowed; type weights=fp32$"
    ):
        refuse_other_pixels(material.program, wrong)
    with pytest.raises(UserError, match=r"is allowed$"):
        refuse_other_pixels(replace(material.program, precision="fp32"), wrong)
    nothing = replace(material.checks, images=torch.full_like(material.checks.images, torch.nan))
    with pytest.raises(UserError, match="nan/255"):
        refuse_other_pixels(material.program, nothing)


def test_weights_that_half_precision_cannot_hold_are_refused():
    model = small_model()
    with torch.no_grad():
        model.decoder.layers[0].weight.mul_(1e6)
        model.decoder.layers[2].weight.mul_(1e-6)
    run = evaluation_of(model)
    with pytest.raises(UserError, match="type weights=fp32"):
        material_of(run, 100, "fp16")
    assert material_of(run, 100, "fp32").worst < 0.01 / 255


def test_half_of_the_checked_codes_are_those_of_images(material):
    seen = []
    codes = torch.arange(120.0).view(40, 3)
    checks = checks_of(codes, material.aggregate, None, lambda z, y: seen.append(z) or torch.zeros(len(z), 1, 2, 2))
    assert all(any(torch.equal(z, code) for code in codes) for z in checks.z[:8])
    assert torch.equal(seen[0], checks.z)


def test_examples_that_are_no_images_are_refused():
    run = SimpleNamespace(data=SimpleNamespace(values=Tokens(("a", "b"))), model=None, noise=None)
    with pytest.raises(UserError, match="shows images, and this run generates sequences"):
        material_of(run, 100, "fp16")


def test_maps_of_two_dimensions_are_the_codes_themselves():
    codes = torch.randn(20, 2, generator=gen())
    (plane,) = maps_of(codes, codes.std(0))
    assert (plane["name"], plane["axes"], plane["plane"]) == ("codes", ("z[0]", "z[1]"), True)
    assert torch.equal(places(plane), codes)


def test_maps_of_more_dimensions_are_projections():
    codes = torch.randn(60, 5, generator=gen()) * torch.tensor([1, 9.0, 1, 4, 1])
    tsne, pca = maps_of(codes, codes.std(0))
    assert (tsne["name"], pca["name"]) == ("t-SNE", "PCA")
    assert "no meaning" in tsne["note"]
    centred = codes - codes.mean(0)
    values = torch.linalg.eigvalsh(centred.T @ centred)
    assert pca["axes"][0] == f"component 1 ({values[-1] / values.sum():.0%} of the variance)"
    torch.testing.assert_close(places(pca).square().sum(0), values[[-1, -2]], rtol=1e-4, atol=0)


def test_a_collapsed_space_and_a_single_dimension_have_a_map():
    (one,) = maps_of(torch.randn(20, 1, generator=gen()), torch.ones(1))
    assert one["axes"] == ("z[0]", "spread at random")
    (equal,) = maps_of(torch.ones(20, 5), torch.zeros(5))
    assert places(equal).std() == 0


def places(one: dict) -> torch.Tensor:
    return torch.from_numpy(np.frombuffer(base64.b64decode(one["places"]), "<f4").copy()).view(-1, 2)


def opened_sheet(images: torch.Tensor) -> tuple[dict, Image.Image]:
    found = sheet(images)
    return found, Image.open(io.BytesIO(base64.b64decode(found["src"].partition(",")[2])))


def test_grey_images_are_kept_exactly_in_rows():
    images = torch.rand(7, 1, 5, 4, generator=gen())
    found, picture = opened_sheet(images)
    assert (found["width"], found["height"], found["columns"], picture.mode) == (4, 5, 3, "L")
    pixels = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8).view(15, 12)
    assert torch.equal(pixels[5:10, 4:8], (images[4, 0] * 255).to(torch.uint8))


def test_large_images_are_reduced_and_other_channels_are_averaged():
    found, picture = opened_sheet(torch.rand(2, 3, 256, 128, generator=gen()))
    assert (found["width"], found["height"], picture.mode) == (32, 64, "RGB")
    _, picture = opened_sheet(torch.rand(2, 2, 8, 8, generator=gen()))
    assert picture.mode == "L"


def test_classes_serve_as_attributes_unless_the_model_is_conditional():
    run = evaluation_of(made("cnn"))
    found = attributes_for_page(run)
    stored, labels = run.data.train.at(torch.arange(len(run.data.train)))
    codes = encode(run.model, run.data.values.ready(stored, run.device), None, NOISE).mean
    assert found["names"] == ["class0", "class1", "class2", "class3"]
    torch.testing.assert_close(torch.tensor(found["raw"][1]), mean_difference(codes, labels == 1))
    assert found["corrected"] == [None] * 4
    assert attributes_for_page(evaluation_of(made("conditional"))) is None


def test_attributes_of_a_dataset_have_corrected_vectors():
    examples = labelled(100, (1, 8, 8))
    values = torch.stack([torch.arange(100) % 2, (torch.arange(100) % 5 < 2)], 1).float()
    run = evaluation_of(small_model(), replace(examples, targets=values, classes=(), attributes=("odd", "low")))
    found = attributes_for_page(run)
    assert found["names"] == ["odd", "low"]
    assert found["balanced"][0] in ([], ["low"])
    assert all(0 <= share <= 1 for share in found["accuracy"])


def test_images_of_a_model_with_y_are_decoded_with_their_own_y():
    run = evaluation_of(made("conditional"))
    found = material_of(run, 100, "fp16")
    assert torch.equal(found.y.argmax(1), found.labels)
    wanted = decode(run.model, found.checks.z, found.checks.y.argmax(1), run.noise)
    torch.testing.assert_close(found.checks.images, wanted)
