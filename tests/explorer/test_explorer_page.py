"""Tests of the explorer's page in a real browser without a network: what it decodes is what the model decodes."""

# ruff: noqa: F811  (an imported fixture has the name of the argument that it fills)

from dataclasses import replace

import pytest
import torch
from browsing import NEAR, code, drag, from_model, matches, page, pixels, ready, run, written  # noqa: F401
from decoders import DECODERS, NOISE, inputs_of, made
from pages import write_page
from PIL import Image

from vae_lab.explorer.decoding import decoder_program
from vae_lab.explorer.program import for_page
from vae_lab.latents.codes import decode
from vae_lab.latents.lines import line


def test_every_kind_of_layer_computes_what_torch_computes(opened, written):
    page = opened(written[0])
    for name in DECODERS:
        model = made(name)
        z, y = inputs_of(model)
        program = for_page(decoder_program(model, z, y, NOISE))
        found = page.evaluate(
            """([program, z, y]) => [bytesOf(DATA.kernel), null].map((kernel) => {
                const network = makeNetwork(program, kernel);
                return [network.accelerated, z.map((code, i) => [...network.decode(code, y && y[i])])];
            })""",
            [program, z.tolist(), None if y is None else y.tolist()],
        )
        wanted = decode(model, z, y, NOISE)
        assert [accelerated for accelerated, _ in found] == [True, False]
        for _, images in found:
            assert (torch.tensor(images).view(wanted.shape) - wanted).abs().max() <= 0.5 / 255, name


def test_the_page_begins_with_a_test_image_and_says_what_it_is(page, run):
    assert page.locator("#what").inner_text() == "Reconstruction of test image 1, labelled class0"
    assert page.locator("#about").inner_text() == "small, <b>seed 0"
    assert matches(page, run)
    assert not page.locator("#alert").is_visible()
    assert "WebAssembly with SIMD" in page.locator("#foot").inner_text()


def test_sliders_stand_by_falling_kl_and_move_the_image(page, run, written):
    aggregate = written[1].aggregate
    names = page.locator("#sliders .name").all_inner_texts()
    assert [name.split("]")[0] for name in names] == [f"z[{d}" for d in aggregate.active_order.tolist()]
    assert names[0].endswith(f"{aggregate.kl.max():.2f} nats")
    d, before = int(aggregate.order[0]), pixels(page)
    high = float(aggregate.mean[d] + 3 * aggregate.sd[d])
    drag(page, page.locator("#sliders input").first, high)
    after = pixels(page)
    assert float(code(page)[d]) == pytest.approx(high, abs=0.01)
    assert (after - before).abs().max() > 0.1
    assert matches(page, run)
    assert page.locator("#what").inner_text() == "A code that no test image has"
    page.click("#reset")
    assert torch.equal(pixels(page), before)


def test_hovering_over_the_map_decodes_the_nearest_image_and_a_click_stays(page, run, written):
    before, box = pixels(page), page.locator("#map").bounding_box()
    x, y = page.evaluate("map.at(5)")
    page.mouse.move(box["x"] + x, box["y"] + y)
    seen = pixels(page)
    assert not torch.equal(seen, before)
    wanted = from_model(run, written[1].codes[5].half().float())
    assert (seen - wanted).abs().max() <= NEAR
    assert page.locator("#tip").inner_text() == "class2"  # example 60 + 6 of the labels 0, 1, 2, 3, 0, …
    page.mouse.move(5, 5)
    assert torch.equal(pixels(page), before)
    page.mouse.click(box["x"] + x, box["y"] + y)
    page.mouse.move(5, 5)
    assert torch.equal(pixels(page), seen)
    page.wait_for_function("location.hash.includes('z=i5')")


@pytest.mark.parametrize("spherical", [False, True])
def test_lines_are_those_of_the_latents_room(page, run, spherical):
    if spherical:
        page.click("#round")
    a, b = (torch.tensor(page.evaluate(f"state.{end}")) for end in "ab")
    steps = line(a, b, 9, spherical)
    page.locator("#steps button").nth(3).click()
    torch.testing.assert_close(code(page), steps[3])
    assert matches(page, run, z=steps[3])
    assert matches(page, run, "end-a", a)
    assert matches(page, run, "end-b", b)
    assert page.locator("#steps button.here").get_attribute("aria-label") == "Step 4 of 9"


def test_class_vectors_are_added(page, written):
    attributes, before = written[1].attributes, code(page)
    assert attributes["names"] == ["class0", "class1", "class2", "class3"]
    slider = page.locator("#attributes input").nth(2)
    assert [slider.get_attribute(name) for name in ("min", "max")] == ["-1", "1.5"]
    drag(page, slider, 1.25)
    torch.testing.assert_close(code(page), before + 1.25 * torch.tensor(attributes["raw"][2]))
    page.click("#none")
    assert torch.equal(code(page), before)


def test_an_end_of_the_line_is_the_image_that_was_shown(page):
    drag(page, page.locator("#attributes input").nth(2), 0.5)
    shown, before = pixels(page), code(page)
    page.click("#set-b")
    assert torch.equal(pixels(page, "end-b"), shown)
    assert torch.equal(code(page), before)
    assert page.locator("#line-said").inner_text() == (
        "B is now the code of test image 1 (labelled class0), plus 0.50 × class2. "
        "The sliders of attributes begin from there."
    )
    assert page.locator("#attributes output").nth(2).inner_text() == "0.00"
    page.locator("#steps button").first.click()
    ready(page)
    assert page.locator("#what").inner_text() == "Reconstruction of test image 1, labelled class0"


def test_nearest_images_are_those_of_the_codes(page, written):
    made = written[1]
    normalised = made.aggregate.normalised(made.codes.half().float())
    wanted = torch.cdist(normalised[:1], normalised)[0].argsort()[:8].tolist()
    ready(page)
    assert page.locator("#nearest button").evaluate_all("all => all.map((b) => Number(b.dataset.image))") == wanted
    page.locator("#nearest button").nth(1).click()
    assert page.evaluate("state.point") == wanted[1]


def test_the_address_leads_back(opened, written, run):
    page = ready(opened(written[0]))
    drag(page, page.locator("#sliders input").first, 0.5)
    page.click("#round")
    page.locator("#maps button").nth(1).click()
    drag(page, page.locator("#attributes input").first, -0.5)
    page.wait_for_timeout(300)
    seen, link = pixels(page), page.url
    page.goto("about:blank")
    page.goto(link)
    assert (pixels(page) - seen).abs().max() <= NEAR
    assert page.locator("#round").get_attribute("aria-pressed") == "true"
    assert page.locator("#maps button").nth(1).get_attribute("aria-pressed") == "true"
    assert not page.locator("#left-out").is_visible()
    page.goto(f"{link.split('#')[0]}#z=1,NaN&b=i3&a=nothing&t=%&map=no&w=1")
    page.reload()
    assert matches(page, run)  # the page begins as usual
    assert page.evaluate("state.b") == page.evaluate("codeOf(3)")
    assert page.locator("#left-out").inner_text() == (
        "Not understood in the address of this page, and left out: w=1, z=1,NaN, a=nothing, t=%, map=no. "
        f"A code is {run.model.latent_dim} numbers with commas between them, or i0 to i31 for a test image."
    )


def test_milliseconds_per_image_leave_out_those_in_which_the_browser_compiles(page):
    page.evaluate("spent.length = images = 0")
    counted = page.evaluate("Array.from({ length: 7 }, () => { decoded(state.z, state.y); return spent.length; })")
    assert counted == [0, 0, 0, 0, 0, 1, 2]
    assert "ms per image" in page.locator("#speed").inner_text()


def test_pictures_are_saved(page, run, tmp_path):
    with page.expect_download() as saved:
        page.click("#png")
    saved.value.save_as(tmp_path / "image.png")
    with Image.open(tmp_path / "image.png") as image:
        assert image.size == (27 * 10, 27 * 12)
        assert image.getpixel((0, 0))[:3] == tuple((pixels(page)[:, 0, 0] * 255).round().int().tolist())
    with page.expect_download() as saved:
        page.click("#gif")
    saved.value.save_as(tmp_path / "line.gif")
    with Image.open(tmp_path / "line.gif") as image:
        assert (image.n_frames, image.info["loop"], image.info["duration"]) == (46, 0, 500)
        a, last = torch.tensor(page.evaluate("state.a")), torch.tensor(page.evaluate("state.b"))
        for frame, z in ((0, a), (23, last)):
            image.seek(frame)
            small = image.convert("RGB").resize((10, 12), Image.Resampling.NEAREST)
            shown = torch.frombuffer(bytearray(small.tobytes()), dtype=torch.uint8).view(12, 10, 3).permute(2, 0, 1)
            assert (shown / 255 - from_model(run, z)).abs().mean() < 6 / 255  # 256 colours


def test_other_pixels_in_a_browser_are_told(opened, run, tmp_path):
    page_path = tmp_path / "wrong.html"
    made = write_page(run, page_path)
    wrong = replace(made.checks, images=(made.checks.images + 0.02).clamp(0, 1))
    write_page(run, page_path, checks=wrong)
    alert = opened(page_path).locator("#alert")
    assert alert.is_visible()
    assert "do not rely on them" in alert.inner_text()


def test_it_runs_where_there_is_no_webassembly(opened, written, run, browser):
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.add_init_script("delete globalThis.WebAssembly")
    page.goto(written[0].as_uri())
    assert matches(page, run)
    assert "plain JavaScript" in page.locator("#foot").inner_text()
    assert "without SIMD" in page.locator("#speed").inner_text()
    context.close()
