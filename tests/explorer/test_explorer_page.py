"""Tests of the explorer's page in a real browser without a network: what it decodes is what the model decodes."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from decoders import DECODERS, NOISE, inputs_of, made
from helpers import small_model
from pages import evaluation_of, write_page
from PIL import Image
from torch import Tensor, nn

from vae_lab.evaluation.trained import Evaluation
from vae_lab.explorer.decoding import decoder_program
from vae_lab.explorer.material import Material
from vae_lab.explorer.program import for_page
from vae_lab.latents.codes import decode
from vae_lab.latents.lines import line
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


def test_a_slider_moves_by_keyboard_and_has_a_name(page):
    slider = page.locator("#sliders input").first
    before = float(slider.input_value())
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert float(slider.input_value()) > before
    assert slider.get_attribute("aria-label").startswith("z[")


def test_attribute_sliders_move_by_keyboard_and_come_back_to_none(page):
    slider = page.locator("#attributes input").nth(1)
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert page.evaluate("state.strengths[1]") == pytest.approx(3 * 2.5 / 200)
    ready(page)
    assert page.locator("#what").inner_text() == "The code of test image 1 (labelled class0), plus 0.04 × class1"
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    assert page.evaluate("state.strengths[1]") == 0
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("state.strengths[1]") == pytest.approx(-2.5 / 200)


def test_a_group_of_buttons_is_one_stop_of_the_tab_key(page):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "skip"
    stops = 1
    while page.evaluate("document.activeElement.type") != "range":
        page.keyboard.press("Tab")
        stops += 1
    assert stops <= 12
    assert page.evaluate("document.activeElement === document.querySelector('#sliders input')")
    page.focus("#legend button")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement === document.querySelectorAll('#legend button')[1]")
    page.focus("#skip")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement === document.querySelector('#sliders input')")


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


def test_the_map_moves_by_keyboard_and_picks_the_ends(page, written):
    page.focus("#map")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    ready(page)
    point = page.evaluate("state.point")
    assert point != 0
    page.keyboard.press("b")
    assert page.evaluate("state.b") == page.evaluate("codeOf(state.point)")
    assert page.evaluate("state.a") == page.evaluate("codeOf(0)")
    label = page.evaluate("DATA.classes[DATA.labels[state.point]]")
    assert page.locator("#line-said").inner_text() == f"B is now test image {point + 1}, labelled {label}."


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


def test_names_of_classes_stand_where_codes_lie_together_and_not_on_each_other(page):
    """Classes 0 and 1 are beside each other, 2 is elsewhere, and those of 3 are among all of them."""
    page.evaluate("""() => {
        const middles = [[0.2, 0.5], [0.2, 0.512], [0.8, 0.5]];
        DATA.labels.forEach((label, i) => {
            const [u, v] = middles[label === 3 ? (i >> 2) % 3 : label];
            map.places[i] = [u + 0.005 * Math.cos(2.4 * i), v + 0.005 * Math.sin(2.4 * i)];
        });
        map.redraw();
    }""")
    names = page.evaluate("map.names")
    assert sorted(name for name, _, _ in names) == ["class0", "class1", "class2"]
    (_, ya), (_, yb) = ((x, y) for name, x, y in names if name != "class2")
    assert abs(ya - yb) >= 16
    page.locator("#legend button").nth(3).click()
    assert [name for name, _, _ in page.evaluate("map.names")] == ["class3"]


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


@pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (800, "dark"), (360, "dark")])
def test_nothing_lies_outside_of_the_window_and_text_has_contrast(opened, written, width, scheme):
    page = opened(written[0], scheme)
    page.set_viewport_size({"width": width, "height": 800})
    ready(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    colours = page.evaluate(
        "['--text', '--dim', '--card'].map((n) => getComputedStyle(document.documentElement).getPropertyValue(n))"
    )
    text, dim, card = map(_luminance, colours)
    for one in (text, dim):
        assert (max(one, card) + 0.05) / (min(one, card) + 0.05) >= 4.5  # WCAG AA


def _luminance(colour: str) -> float:
    channels = [int(colour.strip()[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear))


def test_every_control_has_a_name(page):
    controls = page.locator("button:visible, input:visible, canvas[role]:visible")
    names = controls.evaluate_all(
        "all => all.map((e) => e.getAttribute('aria-label') || e.innerText || e.closest('label')?.innerText || '')"
    )
    assert len(names) > 30
    assert all(name.strip() for name in names)


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
