"""Tests of the benchmark's arithmetic and tables, and one race of a few steps. No test measures time."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "scripts" / "benchmark"), str(ROOT / "scripts" / "benchmark" / "workers")]

import common  # noqa: E402
import contestants  # noqa: E402
import images  # noqa: E402
import limit  # noqa: E402
import profile_run  # noqa: E402
import race_tables  # noqa: E402
import report  # noqa: E402
from cases import Case, cases  # noqa: E402
from doc_tables import END, Table, begin, replaced  # noqa: E402
from environments import last_line  # noqa: E402
from results import Results, joined, read_results  # noqa: E402
from startup_clock import Clock  # noqa: E402
from training import images_per_second, race, turn  # noqa: E402

CASE = Case("dense", 16, 3, 16, images=32, epochs=2)
MACHINE = {"processor": "Abacus, 2 cores", "device": "cpu", "kind": "cpu", "threads": 1, "bf16_instructions": False,
           "versions": {"torch": "2"}, "load_before": 0.1, "load_after": 0.2}  # fmt: skip


def settings(*chosen):
    about = {each.name: each.about for each in contestants.CONTESTANTS}
    return {"date": "2026-01-31", "rounds": 1, "digits": "MNIST", "cases": [case.as_json() for case in chosen],
            "about": about}  # fmt: skip


def row(contestant, number, rate, case=CASE):
    return {"case": case.name, "contestant": contestant, "round": number, "images_per_second": rate, "first_step": 2.0,
            "peak_mb": 700.0, "gpu_peak_mb": None, "versions": {"torch": "2"}}  # fmt: skip


def measured_results():
    results = Results(dict(MACHINE), settings(CASE))
    results.training = [row("hand loop", 0, 100.0), row("vae-lab", 0, 90.0), row("vae-lab", 1, 300.0),
                        row("hand loop", 1, 200.0)]  # fmt: skip
    results.limits = [{"case": CASE.name, "operations": 2.0, "fp32": rate, "bf16": 2 * rate} for rate in (600, 500)]
    return results


def test_sessions_on_one_machine_are_joined():
    first, second = measured_results(), measured_results()
    for one in (first, second):
        one.limits = [{**limit, "round": number} for number, limit in enumerate(one.limits)]
    first.scoring, second.startup = [{"seconds": 1}], [{"seconds": 2}]
    whole = joined([first, second])
    assert sorted(one["round"] for one in whole.training if one["contestant"] == "vae-lab") == [0, 1, 2, 3]
    assert [one["round"] for one in whole.limits] == [0, 1, 2, 3]
    assert (whole.scoring, whole.startup) == ([{"seconds": 1}], [{"seconds": 2}])
    assert len(whole.settings["cases"]) == 1
    other = measured_results()
    other.machine["threads"] = 2
    with pytest.raises(SystemExit, match="different machines: threads 1 and 2"):
        joined([measured_results(), other])


def test_a_case_survives_json_and_is_chosen_by_name():
    case = Case("cnn", 28, 1, 128, 10, 2, words=("compile=true",))
    assert Case.of_json(case.as_json()) == case
    assert [found.name for found in cases("cpu", ["cnn-*-128"], quick=False)] == ["cnn-28-128", "cnn-64-128"]
    assert [found.name for found in cases("cpu", [], quick=True)] == ["dense-28-128", "cnn-28-128"]
    assert len(cases("cuda", [], quick=False)) == 8
    with pytest.raises(SystemExit, match=r"resnet.*dense-28-128"):
        cases("cpu", ["resnet"], quick=False)


def test_every_epoch_is_made_of_full_batches():
    for device in ("cpu", "cuda"):
        assert all(case.images % case.batch == 0 for case in cases(device, [], quick=False))


def test_another_contestant_begins_in_each_round():
    assert [turn(["a", "b", "c"], number)[0] for number in range(4)] == ["a", "b", "c", "a"]


def test_the_first_epoch_is_not_counted():
    assert images_per_second(Case("dense", 28, 1, 10, images=100, epochs=4), [50.0, 1.0, 2.0, 9.0]) == 50


def test_ratios_are_taken_within_each_round():
    found = race_tables.of_case(measured_results(), CASE.name)
    ratio = race_tables.ratios(found["vae-lab"], found["hand loop"])
    assert ratio == race_tables.Spread(pytest.approx(1.2), pytest.approx(0.9), pytest.approx(1.5))
    assert ratio.text(".2f") == "1.20 (0.90–1.50)"
    assert race_tables.ratios(found["vae-lab"], []) is None


def test_the_limit_is_the_best_rate_over_the_operations_of_an_image():
    assert race_tables.limit(measured_results(), CASE.name, "fp32") == 300
    table = race_tables.race_tables(measured_results())[0]
    assert table.rows[1] == ["vae-lab", "195 (90–300)", "1.20 (0.90–1.50)", "65 %", "700 MB", "2.0 s"]


def test_operations_of_a_linear_network_are_counted_whole():
    case = Case("dense", 28, 1, 128, 128, 2)
    weights = [p.numel() for p in common.VAE(case).parameters() if p.ndim == 2]
    first = weights[0]  # no gradient of its input: two products, not three, of 2 operations per weight each
    assert limit.operations(case) == 6 * sum(weights) - 2 * first


@pytest.mark.parametrize("model", ["dense", "cnn"])
def test_contestants_train_the_networks_that_vae_lab_makes(model):
    from vae_lab.config.composing import composer
    from vae_lab.runs.build import make_job

    with composer([f"model={model}"]) as compose:
        job = make_job(compose([]), (3, 64, 64), 0)
    theirs = common.VAE(Case(model, 64, 3, 128, 128, 2))
    assert sorted(map(tuple, (p.shape for p in theirs.parameters()))) == sorted(
        map(tuple, (p.shape for p in job.parameters()))
    )


def test_the_loss_is_that_of_vae_lab():
    from vae_lab.config.composing import composer
    from vae_lab.noise import SeededNoise
    from vae_lab.runs.build import make_job
    from vae_lab.types import Batch, Step

    with composer(["model=dense"]) as compose:
        job = make_job(compose([]), (1, 8, 8), 0)
    vae = common.VAE(Case("dense", 8, 1, 128, 128, 2))
    for own, its in ((vae.encoder, job.model.encoder), (vae.decoder, job.model.decoder),
                     (vae.mu, job.model.posterior.mu), (vae.log_var, job.model.posterior.log_var)):  # fmt: skip
        own.load_state_dict(its.state_dict())
    x = torch.rand(4096, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    zero = torch.tensor(0.0)
    loss = job(Batch(x, x, None), Step(zero, zero, SeededNoise("cpu", "mine"), "model", 4096)).loss
    torch.manual_seed(0)
    assert vae.loss(x).item() == pytest.approx(loss.item(), rel=2e-3)  # the noise differs, but averages out


def test_synthetic_digits_are_in_the_format_of_mnist(tmp_path):
    from torchvision.datasets.mnist import read_image_file

    pixels = np.arange(2 * 28 * 28).astype(np.uint8).reshape(2, 28, 28)
    (tmp_path / "images").write_bytes(images._idx(pixels))
    assert np.array_equal(read_image_file(str(tmp_path / "images")).numpy(), pixels)


def test_pictures_fill_the_range_of_bytes():
    picture = images.coloured_noise(np.random.default_rng(0), 16)
    assert picture.shape == (16, 16, 3)
    assert picture.min() == 0
    assert picture.max() == 255


def test_a_stack_belongs_to_the_first_part_that_claims_it():
    fit = "thread (1): MainThread;main (cli.py:1);advance (pytorch_lightning/loops/training_epoch_loop.py:9);"
    stacks = "\n".join([
        f"{fit}backward (torch/_tensor.py:1) 7",
        f"{fit}forward (vae_lab/training/job.py:2);backward_name (x.py:1) 5",
        f"{fit}step (vae_lab/training/lit.py:3) 2",
        "thread (7): Thread-7;main (wandb/x.py:1) 100",
        "thread (1);<module> (x.py:1);_find (<frozen importlib._bootstrap>:1);f (wandb/y.py:1) 3",
        "thread (1): MainThread;main (cli.py:1) 1",
    ])  # fmt: skip
    assert profile_run.counted(stacks) == {
        "training: backward pass": 7,
        "training: forward pass and loss": 5,
        "training: Lightning and bookkeeping": 2,
        "imports": 3,
        "the rest": 1,
    }


def test_a_nested_measurement_stops_the_outer_clock(monkeypatch):
    import startup_clock

    seconds = iter([3.0, 7.0, 8.0, 20.0])
    monkeypatch.setattr(startup_clock, "now", lambda: next(seconds))
    clock = Clock("all", 1.0)
    clock.timed("inner", lambda: None)()
    clock.stop()
    clock.stop()
    assert clock.seconds == {"all": 3.0, "inner": 4.0}


def test_the_reason_of_a_failure_is_its_last_line():
    assert last_line("Traceback\n  File x\n\nImportError: no module\n\n") == "ImportError: no module"
    assert last_line("\n") == "it printed nothing"


def test_a_table_in_markdown():
    table = Table("Two rows", ["", "a"], [["x", "1"], ["y", "2"]])
    assert table.markdown() == "**Two rows**\n\n| | a |\n| --- | ---: |\n| x | 1 |\n| y | 2 |"


def test_only_the_text_between_the_markers_is_replaced():
    text = f"before\n{begin('a')}\nold\n{END}\nbetween\n{begin('b')}\nstays\n{END}\n"
    new = replaced(text, "a", r"new \1")
    assert new == text.replace("old", r"new \1")
    assert replaced(new, "c", "nothing") == new
    with pytest.raises(ValueError, match="followed by no"):
        replaced(f"{begin('a')}\nold", "a", "new")


def test_each_piece_has_its_place_in_the_docs():
    results = measured_results()
    results.startup = [{"what": "vae-lab --help", "seconds": 0.1}]
    results.scoring = [{"model": "cnn", "score": "FID", "seconds": 1.0}]
    results.profile = [{"part": "imports", "seconds": 1.0, "share": 1.0}]
    results.storage = [{"what": "reading", "where": "in memory", "batch": 128, "images_per_second": 1e5}]
    results.growth = [{"axis": "runs", "model": "joblib", "value": 2, "sweep_seconds": 3.0}]
    text = (ROOT / "docs" / "performance.md").read_text() + (ROOT / "README.md").read_text()
    for kind in ("cpu", "cuda"):
        results.machine["kind"] = kind
        for line in results.training:
            line["gpu_peak_mb"] = 1.0
        made = report.pieces(results)
        assert len(made) == 7
        missing = {name for name in made if begin(name) not in text}
        assert missing == (set() if kind == "cpu" else {"ratios on gpu"})  # the README has tables for the CPU only


def test_a_race_of_a_few_steps(tmp_path):
    for part in range(48):
        pixels = images.coloured_noise(np.random.default_rng(part), CASE.side)
        (tmp_path / "pictures" / "all").mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "pictures" / "all" / f"{part}.png")
    case = Case.of_json({**CASE.as_json(), "data": str(tmp_path / "pictures")})
    results, written = Results(dict(MACHINE), settings(case)), tmp_path / "out" / "results.json"
    ready, _ = contestants.check_contestants([contestants.HAND, contestants.VAE_LAB])
    race([case], ready, 1, results, written, print)
    assert results.skipped == {}
    found = read_results(written)
    assert [line["contestant"] for line in found.training] == ["hand loop", "vae-lab"]
    assert all(len(line["epoch_seconds"]) == 2 and line["first_step"] > 0 for line in found.training)
    report.show(found, Console(quiet=True))
    assert "**dense, 16×16×3, batch 16" in report.pieces(found)["race on cpu"]


def test_the_command_lists_its_options_and_refuses_unknown_ones():
    def told(*words):
        command = [sys.executable, "scripts/benchmark", *words]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)

    helped, refused = told("--help"), told("--who", "nobody")
    assert helped.returncode == 0
    assert "--rounds" in helped.stdout
    assert refused.returncode != 0
    assert "--who nobody: no such contestant; choose from hand loop" in refused.stderr
