"""Tests of the pages of other models: a plane of codes, a conditional one, a decoder that cannot run there."""

import torch
from browsing import NEAR, code, drag, from_model, matches, pixels, ready
from decoders import made
from helpers import small_model
from pages import evaluation_of, write_page
from torch import nn


def test_a_plane_of_codes_is_decoded_at_every_place(opened, tmp_path):
    run = evaluation_of(small_model(latent_dim=2).eval())
    path = tmp_path / "plane.html"
    write_page(run, path)
    page = ready(opened(path))
    assert page.locator("#maps").inner_text() == "Codes"
    box = page.locator("#map").bounding_box()
    page.mouse.click(box["x"] + 20, box["y"] + 25)
    wanted = page.evaluate("[0, 1].map((c) => map.low[c] + map.unit(20, 25)[c] * map.span[c])")
    torch.testing.assert_close(code(page), torch.tensor(wanted), atol=0.02, rtol=0)
    assert wanted[1] > page.evaluate("MEAN[1]")  # the second axis points upwards
    assert matches(page, run)


def test_classes_of_a_conditional_model_are_buttons(opened, tmp_path):
    model = made("conditional")
    run = evaluation_of(model)
    path = tmp_path / "conditional.html"
    write_page(run, path)
    page = ready(opened(path))
    buttons = page.locator("#conditions button")
    assert buttons.all_inner_texts() == ["class0", "class1", "class2", "class3"]
    z = code(page)
    for label in (2, 3):
        buttons.nth(label).click()
        assert buttons.nth(label).get_attribute("aria-pressed") == "true"
        assert torch.equal(code(page), z)
        assert (pixels(page) - from_model(run, z, torch.tensor([label]))).abs().max() <= NEAR
        what = f"The code of test image 1 (labelled class0), decoded as class{label}"
        assert page.locator("#what").inner_text() == what
    buttons.nth(0).click()
    ready(page)
    assert page.locator("#what").inner_text() == "Reconstruction of test image 1, labelled class0"


def test_the_line_of_a_conditional_model_moves_the_class_along(opened, tmp_path):
    run = evaluation_of(made("conditional"))
    path = tmp_path / "conditional.html"
    write_page(run, path)
    page = ready(opened(path))
    page.locator("#conditions button").nth(2).click()
    page.click("#set-b")
    assert page.locator("#line-said").inner_text() == (
        "B is now the code of test image 1 (labelled class0), decoded as class2."
    )
    page.locator("#steps button").nth(2).click()
    y = torch.tensor([[0.75, 0, 0.25, 0]])
    assert page.evaluate("state.y") == y[0].tolist()
    assert (pixels(page) - from_model(run, code(page), y)).abs().max() <= NEAR
    what = "The code of test image 1 (labelled class0), decoded as 75 % class0 and 25 % class2"
    assert page.locator("#what").inner_text() == what
    page.wait_for_function("location.hash.includes('t=0.25')")
    page.reload()
    assert page.evaluate("[state.ya, state.yb, state.y]") == [[1, 0, 0, 0], [0, 0, 1, 0], y[0].tolist()]


def test_a_decoder_that_cannot_run_there_has_images_made_beforehand(opened, tmp_path):
    class Wave(nn.Module):
        def forward(self, x):
            return 4 * torch.sin(3 * x)

    model = small_model(x_shape=(1, 12, 12))
    model.decoder.layers.append(Wave())
    run = evaluation_of(model.eval())
    path = tmp_path / "prepared.html"
    material = write_page(run, path)
    page = ready(opened(path))
    assert "cannot run in a page: the page has no operation aten.sin" in page.locator("#reason").inner_text()
    assert matches(page, run, z=material.codes[0])  # grey sheets are stored without loss
    dims = material.aggregate.order[:2].tolist()
    assert [name.split("]")[0] for name in page.locator("#sliders .name").all_inner_texts()] == [f"z[{d}" for d in dims]
    page.click("#centre")
    drag(page, page.locator("#sliders input").first, float(material.aggregate.mean[dims[0]] + 9))  # to the edge
    z = material.aggregate.mean.clone()
    z[dims[0]] += 3 * material.aggregate.sd[dims[0]]
    assert matches(page, run, z=z)
    page.click("#random")
    ready(page)
    assert page.locator("#what").inner_text() == "A sample that was drawn beforehand"
    assert not page.locator("#line-card").is_visible()
