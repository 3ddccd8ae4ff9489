"""Tests that the explorer's page can be used by keyboard and read in any window, in light and in dark."""

# ruff: noqa: F811  (an imported fixture has the name of the argument that it fills)

import pytest
from browsing import page, ready, run, written  # noqa: F401  (fixtures among them)


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
