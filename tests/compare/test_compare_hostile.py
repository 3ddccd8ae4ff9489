"""Tests that no text of a run folder is obeyed: by the page, by plotly, by matplotlib or by the terminal."""

import csv
import json
import os
import re
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import pytest
import yaml
from made import make_run
from rich.console import Console

from vae_lab.compare import write_comparison
from vae_lab.compare.compared import Compared
from vae_lab.compare.folders import run_folders
from vae_lab.compare.plots.plotted import Plotted
from vae_lab.compare.reading import read, read_sweep
from vae_lab.compare.views.grids import best_first, read_grids
from vae_lab.compare.views.page import page_of

PLAIN, CONTROL = "plain", r"[\x00-\x1f\x7f-\x9f]"
HOSTILE = {
    "tags": '</script><script>window.obeyed=1</script><img src=x onerror=window.obeyed=1><a href="javascript:1">x',
    "quotes": "\"'><b onmouseover=window.obeyed=1> &lt;b&gt; &#60; &quot;",
    "comment": "<!--<script>window.obeyed=1",
    "placeholders": r"{{data}} %{x} %{y:.3f}<extra> [bold]x[/bold][/] $\frac{$ $\nothing$ \$",
    "a name that all objects have": "constructor",
    "a name that changes objects": "__proto__",
    "odd characters": "\u2028\u0000\u202e\ufeff\x1b[31m\x9b2J" + "𝔘" * 70,
}
EACH = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)


def make_hostile(folder: Path, text: str) -> Path:
    """Make runs and a sweep that have the text wherever a run folder can hold one."""
    for i in range(8):
        name = f"{i}-{re.sub('[^ -.0-~]', '_', text)[:60]}"
        run = make_run(folder / name, 10.0 + i, {"features": text} if i > 5 else None, latent_dim=2 + i // 2 % 2,
                       seed=i % 2, choices__model=text if i < 4 else "dense", dataset__name=text)  # fmt: skip
        config = yaml.safe_load((run / "config.yaml").read_text())
        config |= {text: i // 2, "tags": {text: f"{text}{i // 4}"}, **({"constructor": 3} if i == 0 else {})}
        (run / "config.yaml").write_text(yaml.safe_dump(config))
        results = json.loads((run / "results.json").read_text())
        results["metrics"][f"test/{text}"] = float(i)
        meaning = f"{text}, nats per <i>, lower is better"
        results["meanings"] |= {f"test/{text}": meaning, "test/fid": meaning}
        results["protocol"][text] = {"images": 3, text: text, "sampler": f"{text}{i // 2}"}
        results["notes"] = [text]
        (run / "results.json").write_text(json.dumps(results))
        history = [["epoch", "step", "train/loss", f"val/{text}"], *([e, e, 3 - e, 2 - e] for e in range(3))]
        with (run / "metrics.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(history)
    failed = folder / "failed"
    failed.mkdir()
    (failed / "failure.json").write_text(json.dumps({"reason": text}))
    (folder / "sweep.json").write_text(
        json.dumps({"fixed": [], "varied": {}, "pareto": [[f"test/{text}", "min"], ["test/fid", "min"]]})
    )
    return folder


def page_in(folder: Path) -> str:
    """The page of the runs in a folder, without the table on the terminal and the pictures of plots/."""
    compared = Compared([read(run) for run in run_folders([folder])[0]])
    runs, drawable = best_first(compared)
    plotted = Plotted(compared, [read_sweep(folder)])
    return page_of(compared, plotted, read_grids(compared, runs), drawable, "", folder)


class _Structure(HTMLParser):
    """Every tag of a page with the names of its attributes, and the data of its plots and table."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.data = ""

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, tuple(name for name, _ in attrs)))

    def handle_endtag(self, tag):
        self.tags.append((f"/{tag}", ()))

    def handle_comment(self, data):
        self.tags.append(("comment", ()))

    def handle_data(self, data):
        if self.tags and self.tags[-1] == ("script", ("type", "id")):
            self.data += data


def structure_of(page: str) -> _Structure:
    found = _Structure()
    found.feed(page)
    return found


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> _Structure:
    return structure_of(page_in(make_hostile(tmp_path_factory.mktemp("plain") / "s", PLAIN)))


@EACH
def test_texts_change_neither_the_structure_of_the_page_nor_its_data(plain, tmp_path, text):
    found = structure_of(page_in(make_hostile(tmp_path / "s", text)))
    assert found.tags == plain.tags
    data = json.loads(found.data)
    assert len(data["single"]) == 9
    assert len(data["plots"]["against"]) == len(json.loads(plain.data)["plots"]["against"])
    assert text in {cell["t"] for row in data["single"] for cell in row["cells"].values()}


@pytest.mark.parametrize("kind", ["placeholders", "odd characters"])
@pytest.mark.filterwarnings("ignore:Glyph")
def test_the_terminal_and_the_plots_show_texts_as_they_are(tmp_path, kind):
    text, console = HOSTILE[kind], Console(file=StringIO(), width=80)
    folder = make_hostile(tmp_path / "s", text)
    page = write_comparison([folder], folder, console)
    told = console.file.getvalue()
    assert f"failed: {re.sub(CONTROL, '�', ' '.join(text.split()))}" in told
    assert not re.search(CONTROL, told.replace("\n", ""))
    assert len(list((folder / "plots").glob("*.png"))) > 5
    with (folder / "summary.csv").open(newline="", encoding="utf-8") as file:
        assert text in next(csv.DictReader(file))
    assert structure_of(page.read_text(encoding="utf-8")).data


def test_text_that_utf_8_cannot_hold_is_replaced(tmp_path):
    """A name of a file is bytes, and an escape in JSON can be half of a character."""
    folder = make_run(tmp_path / "s" / os.fsdecode(b"run-\xff"))
    results = json.loads((folder / "results.json").read_text())
    (folder / "results.json").write_text(json.dumps({**results, "notes": ["half \ud83d of a character"]}))
    page = write_comparison([tmp_path / "s"], tmp_path / "s", Console(file=StringIO(), width=80))
    assert "run-?" in page.read_text(encoding="utf-8")
    assert "run-?" in (tmp_path / "s" / "summary.csv").read_text(encoding="utf-8")
