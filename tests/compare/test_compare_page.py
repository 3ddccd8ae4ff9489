"""Tests of the page in a real browser without a network: sorting, filtering, hovering."""

import json
import re
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from made import make_run, make_sweep
from rich.console import Console
from test_compare_hostile import HOSTILE, make_hostile, page_in

from vae_lab.compare import write_comparison


def compare(folder: Path) -> Path:
    return write_comparison([folder], folder, Console(file=StringIO(), width=80))


@pytest.fixture(scope="module")
def sweep_page(tmp_path_factory) -> Path:
    return compare(make_sweep(tmp_path_factory.mktemp("page") / "sweep"))


def column(page, key: str) -> list[str]:
    """The visible cells of a column, from top to bottom."""
    keys = page.locator("thead th").evaluate_all("all => all.map(th => th.dataset.key)")
    rows = page.locator("tbody tr:visible").evaluate_all("all => all.map(tr => [...tr.cells].map(td => td.innerText))")
    return [row[keys.index(key)] for row in rows]


def header(page, key: str):
    return page.locator(f"thead th[data-key='{key}']")


def traces(page) -> int:
    return page.locator("#curves .scatterlayer .trace").count()


def test_rows_over_seeds_come_first_with_failures_marked(opened, sweep_page):
    page = opened(sweep_page)
    assert column(page, "n") == ["2", "2", "2", "2", "0", "1", "1"]
    assert column(page, "score:fid")[:4] == ["▸ 12.5 ± 0.7", "42.5 ± 0.7", "26.5 ± 0.7", "56.5 ± 0.7"]
    failed, interrupted, damaged = column(page, "status")[4:]
    assert failed == "✗ failed: the loss became NaN in epoch 2"
    assert interrupted == "✗ interrupted: after 3 epochs"
    assert damaged.startswith("✗ damaged: results.json")
    assert page.locator("tr.bad").count() == 3
    assert "standard deviation over seeds" in page.locator("#spread").inner_text()


def test_a_header_sorts_by_mouse_and_by_keyboard_and_says_so(opened, sweep_page):
    page = opened(sweep_page)
    assert header(page, "score:fid").get_attribute("aria-sort") == "none"
    header(page, "score:fid").locator("button").click()
    assert header(page, "score:fid").get_attribute("aria-sort") == "ascending"
    assert [cell.lstrip("▸ ").split()[0] for cell in column(page, "score:fid")] == [
        "12.5", "26.5", "42.5", "56.5", "–", "–", "–"
    ]  # fmt: skip
    header(page, "score:fid").locator("button").press("Enter")
    assert header(page, "score:fid").get_attribute("aria-sort") == "descending"
    assert [cell.split()[0] for cell in column(page, "score:fid")][:2] == ["56.5", "42.5"]
    header(page, "score:elbo").locator("button").click()  # higher is better: the best first
    assert column(page, "score:elbo")[0].startswith("▸ −12.5")
    assert header(page, "score:fid").get_attribute("aria-sort") == "none"


def test_words_and_selects_filter_rows_and_curves(opened, sweep_page):
    page = opened(sweep_page)
    page.locator("#curves").scroll_into_view_if_needed()
    page.wait_for_function("document.querySelectorAll('#curves .scatterlayer .trace').length === 10")
    page.fill("#filter", "latent_dim=16 beta>1")
    assert column(page, "latent_dim") == ["16"]
    assert column(page, "beta") == ["4"]
    assert page.locator("#count").inner_text() == "1 of 7 rows, 2 runs"
    page.wait_for_function("document.querySelectorAll('#curves .scatterlayer .trace').length === 2")  # line and band
    page.fill("#filter", "nan")
    assert column(page, "status") == ["✗ failed: the loss became NaN in epoch 2"]
    page.click("#reset")
    page.locator("#selects select[data-key=latent_dim]").select_option("2")
    assert set(column(page, "latent_dim")) == {"2"}
    page.click("#reset")
    page.wait_for_function("document.querySelectorAll('#curves .scatterlayer .trace').length === 10")
    page.fill("#filter", "no such thing")
    assert page.locator("#count").inner_text() == "0 of 7 rows, 0 runs"


def test_a_filter_takes_spaces_and_closed_bounds_and_hints_at_the_values_of_other_rows(opened, sweep_page):
    page = opened(sweep_page)
    page.fill("#filter", "beta >= 4 latent_dim <= 2")
    assert page.locator("#count").inner_text() == "1 of 7 rows, 2 runs"
    assert (column(page, "beta"), column(page, "latent_dim")) == (["4"], ["2"])
    page.fill("#filter", "beta = 4")
    assert column(page, "beta") == ["4", "4"]
    page.fill("#filter", "seed=1")
    assert page.locator("#count").inner_text() == "7 of 7 rows, 11 runs; seed: choose single runs"
    page.check("input[value=single]")
    assert set(column(page, "seed")) == {"1"}
    assert page.locator("#count").inner_text() == "4 of 11 rows, 4 runs"


def test_scores_that_cannot_be_drawn_say_why(opened, tmp_path):
    for dim in (2, 4):
        make_run(tmp_path / str(dim), 10.0 + dim, {"images": dim}, latent_dim=dim)
    page = opened(compare(tmp_path))
    told = page.locator("#against .undrawn").inner_text()
    assert told == "fid: each of 2 protocols has one run, so there is no plot over latent_dim."
    page.locator("#against").scroll_into_view_if_needed()
    assert page.locator("#against select").first.locator("option").all_inner_texts()[0] == "elbo"


def test_single_runs_and_further_columns_are_a_click_away(opened, sweep_page):
    page = opened(sweep_page)
    page.check("input[value=single]")
    assert len(column(page, "seed")) == 11
    assert column(page, "score:fid")[0] == "▸ 12.0 ± 1.0"
    page.locator("#more").evaluate("node => node.parentNode.open = true")
    page.locator("#more label", has_text="fid_floor").locator("input").check()
    assert column(page, "score:fid_floor")[0] == "2"


def test_pointing_at_a_mean_describes_it(opened, sweep_page):
    page = opened(sweep_page)
    page.locator("#against").scroll_into_view_if_needed()
    page.wait_for_selector("#against .scatterlayer .trace .point")
    page.locator("#against .plot").scroll_into_view_if_needed()
    box = page.locator("#against .scatterlayer .trace .points path.point").nth(1).bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_selector("#against .hoverlayer .hovertext")
    told = page.locator("#against .hoverlayer .hovertext").first.text_content()
    assert "latent_dim=16" in told
    assert "(n = 2)" in told
    page.locator("#against select").nth(0).select_option("kl")
    page.wait_for_function("document.querySelector('#against .gtitle').textContent.startsWith('kl against')")


def test_protocols_have_separate_axes_and_the_page_says_so(opened, tmp_path):
    for i, dim in enumerate((2, 4)):
        make_run(tmp_path / f"a{i}", 10.0 + i, latent_dim=dim)
        make_run(tmp_path / f"b{i}", 50.0 + i, {"images": 1000}, latent_dim=dim)
    page = opened(compare(tmp_path))
    page.locator("#against").scroll_into_view_if_needed()
    page.wait_for_selector("#against .scatterlayer .trace")
    assert "whose values are not comparable: each has a separate plot" in page.locator("#against .note").inner_text()
    shown = "document.querySelector('#against .plot').data.filter(t => !t.name.startsWith('floor')).flatMap(t => t.y)"
    seen = [page.evaluate(shown)]
    page.locator("#against select").nth(2).select_option(index=1)
    page.wait_for_function(f"String({shown}) !== '{','.join(f'{v:g}' for v in seen[0])}'")
    assert sorted([*seen, page.evaluate(shown)]) == [[10, 11], [50, 51]]
    cells = column(page, "score:fid")
    assert sorted(re.sub(r"\s", "", cell)[-1] for cell in cells) == ["A", "A", "B", "B"]
    assert sum("▸" in cell for cell in cells) == 2
    assert not page.locator("#rate .note").is_visible()


@pytest.mark.parametrize("kind", ["tags", "placeholders", "a name that all objects have"])
def test_texts_of_a_run_folder_are_shown_and_not_obeyed(opened, tmp_path, kind):
    text = HOSTILE[kind]
    (tmp_path / "page.html").write_text(page_in(make_hostile(tmp_path / "s", text)), encoding="utf-8")
    page = opened(tmp_path / "page.html")
    page.check("input[value=single]")
    assert set(column(page, "model")) == {text, "dense", "–"}
    for section in page.locator("section[data-plot]:visible").all():
        for select in section.locator("select:visible").all():
            select.select_option(index=select.locator("option").count() - 1)
        section.scroll_into_view_if_needed()
        section.locator(".gtitle").wait_for()
    assert text[:20] in page.locator("#curves .plot").text_content()  # a legend shortens a long name
    assert text in page.locator("#against .plot").text_content()
    assert "undefined" not in page.locator("#runs").inner_text()
    assert page.locator(".plot a").count() == 0
    assert page.evaluate("window.obeyed") is None


def test_the_page_is_drawn_for_dark_screens_and_fits_narrow_ones(opened, sweep_page):
    page = opened(sweep_page, "dark")
    page.set_viewport_size({"width": 400, "height": 800})
    page.locator("#curves").scroll_into_view_if_needed()
    page.wait_for_selector("#curves .scatterlayer .trace")
    back = page.evaluate("document.querySelector('#curves .plot').layout.paper_bgcolor")
    assert back == page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--back').trim()")
    assert back != "#ffffff"
    page.wait_for_function(
        "document.documentElement.scrollWidth <= innerWidth", timeout=10_000
    )  # plotly takes a moment


def test_curves_follow_the_rows_over_seeds_with_bands_or_one_by_one(opened, sweep_page):
    page = opened(sweep_page)
    page.locator("#curves").scroll_into_view_if_needed()
    drawn = "document.querySelector('#curves .plot').data"
    page.wait_for_function(f"{drawn}?.length === 10")  # six lines, four of them with a band
    assert page.evaluate(f"{drawn}.filter(trace => trace.fill === 'toself').length") == 4
    assert "bands: mean ± sd over seeds" in page.locator("#curves .gtitle-subtitle").text_content()
    ticks = page.locator("#curves .xtick text").all_text_contents()
    assert ticks == ["1", "2", "3"]
    page.check("input[value=single]")
    page.wait_for_function(f"{drawn}.length === 10 && {drawn}.every(trace => trace.fill !== 'toself')")


def test_a_row_leads_to_the_folders_files_and_commands_of_its_runs(opened, tmp_path):
    run = make_run(tmp_path / "s" / "a b", logger={"_target_": "vae_lab.report.loggers.wandb_logger", "project": "p"})
    (run / "figures").mkdir()
    (run / "figures" / "samples.png").write_bytes(b"")
    environment = {"command": "vae-lab train 'model=dense; x' beta=2", "run_id": "abc"}
    (run / "environment.json").write_text(json.dumps(environment))
    (run / "wandb" / "offline-run-1-abc").mkdir(parents=True)
    (run / "explorer.html").write_text("")
    page = opened(compare(tmp_path / "s"))
    explorer = page.locator("td.about a.explorer")
    assert explorer.evaluate("a => a.href") == (run / "explorer.html").as_uri()
    assert explorer.get_attribute("title").startswith("Walk in the latent space of ")
    page.locator("td.about button").click()
    told = page.locator("#content").inner_text()
    assert "vae-lab train 'model=dense; x' beta=2" in told
    assert f"vae-lab train '--config-dir={run}' --config-name=config" in told
    assert "run abc of the project p, offline" in told
    assert f"wandb sync '{run}/wandb/offline-run-1-abc'" in told
    links = page.locator("#content a").evaluate_all("all => all.map(a => a.href)")
    assert (run / "config.yaml").as_uri() in links
    assert (run / "figures" / "samples.png").as_uri() in links
    assert (run / "explorer.html").as_uri() in links
    page.keyboard.press("Escape")
    assert not page.locator("#dialog").is_visible()


def test_a_strip_of_samples_is_enlarged_when_it_is_chosen(opened, sweep_page):
    page = opened(sweep_page)
    picture = page.locator("button.picture img").first
    picture.scroll_into_view_if_needed()
    own = picture.evaluate("image => image.naturalWidth")
    assert picture.bounding_box()["width"] >= own
    picture.click()
    large = page.locator("#content img")
    assert large.bounding_box()["width"] >= 2 * own
    assert large.bounding_box()["width"] % own == 0
    assert page.locator("#content a[download]").get_attribute("download").startswith("samples_latent_dim=2_beta=1")


@pytest.mark.parametrize(("scheme", "landscape"), [("dark", False), ("light", True)])
def test_a_printed_page_has_every_plot_whole_and_no_empty_section(opened, sweep_page, tmp_path, scheme, landscape):
    pdfium = pytest.importorskip("pypdfium2", reason="pypdfium2 is not installed (pip install pypdfium2)")
    page = opened(sweep_page, scheme)  # nothing is scrolled to, so that no plot is drawn yet
    page.pdf(path=tmp_path / "page.pdf", format="A4", landscape=landscape, print_background=True)
    with pdfium.PdfDocument(tmp_path / "page.pdf") as document:
        sheets = [np.asarray(sheet.render(scale=1).to_pil().convert("RGB")) for sheet in document]
        texts = ["".join(sheet.get_textpage().get_text_range().split()) for sheet in document]
    parts = {
        "Loss curves": ("val/loss per epoch", "latent_dim=16 beta=4 (mean of 2 runs)", "0072B2"),
        "Scores over a setting": ("fid against latent_dim", "floor 2: real training images", "0072B2"),
        "Scores over two settings": ("fid: mean of 2 runs per cell", "beta (weight of the KL term)", "FDE725"),
        "Rate and distortion": ("Rate and distortion on test images", "kl, nats per image", "0072B2"),
    }
    for heading, (title, last, colour) in parts.items():
        heading, title, last = ("".join(text.split()) for text in (heading, title, last))
        (number,) = (i for i, text in enumerate(texts) if title in text)
        assert heading in texts[number]
        assert last in texts[number]  # what stands at the edge of the plot is on the sheet, too
        rgb = [int(colour[i : i + 2], 16) for i in (0, 2, 4)]
        assert (abs(sheets[number].astype(int) - rgb).max(2) < 40).sum() > 20, f"{title} is not drawn"
    assert sum(text.count(",seed") for text in texts) >= 8  # the captions of the samples of every finished run
    for sheet in sheets:
        edge = np.concatenate([sheet[:, :25], sheet[:, -25:]], 1)
        assert (edge == 255).all(), "something reaches the edge of the paper"
    assert page.evaluate("document.documentElement.classList.contains('printing')") is False


def test_the_page_names_nothing_to_load(sweep_page):
    """Scripts, styles and pictures are inside; the addresses in plotly's source are loaded by maps alone."""
    text = re.sub(r"<script.*?</script>", "", sweep_page.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert re.findall(r"https?://", text) == []
    assert re.findall(r"<(?:script|img|link)[^>]+(?:src|href)=[\"'](?!data:)", text) == []


def test_a_wide_table_is_divided_in_print_and_every_protocol_is_drawn(opened, tmp_path):
    for n in range(4):
        varied = {f"objective__a_setting_with_a_long_name_{i}": n * 0.123456 for i in range(12)}
        make_run(tmp_path / "s" / f"run{n}", 10 + n, {"images": 100 * (1 + n % 2)}, latent_dim=2 ** (n // 2), **varied)
    (tmp_path / "page.html").write_text(page_in(tmp_path / "s"), encoding="utf-8")
    page = opened(tmp_path / "page.html")
    page.evaluate("prepareSheets()")
    parts = page.locator("#parts table")
    heads = [[name.partition("\n")[0] for name in table.locator("th").all_inner_texts()] for table in parts.all()]
    names = page.evaluate("columns().map((column) => column.label)")
    assert len(heads) > 1
    assert [head[0] for head in heads] == ["row"] * len(heads)
    assert [name for head in heads for name in head[1:]] == names  # every column once, in their order
    assert parts.first.locator("tbody tr td:first-child").all_inner_texts() == ["1", "2", "3", "4"]
    assert page.evaluate("Math.min(...[...document.querySelectorAll('#parts table')].map((t) => +t.style.zoom))") > 0.6
    assert not page.locator("#runs").is_visible()
    assert page.locator("#against .plot .gtitle").count() == 2  # of both protocols
    page.evaluate("leaveSheets()")
    assert page.locator("#runs").is_visible()
    assert (parts.count(), page.locator("#against .plot").count()) == (0, 1)


def test_a_row_of_runs_without_an_explorer_has_no_link_to_one(opened, sweep_page):
    assert opened(sweep_page).locator("a.explorer").count() == 0
