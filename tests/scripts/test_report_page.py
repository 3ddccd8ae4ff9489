"""Tests that the sentences of the report page agree with the scores, whatever the scores are."""

import sys
from pathlib import Path

import pytest

from vae_lab.compare.reading import Record

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from report_page import loss_weights, models
from report_page.page import page
from report_page.runs import Report
from report_page.section import MISSING
from report_page.sections import sections

FID = {"images": 100, "features": "mnist classifier, 128-d", "extractor_sha256": "5" * 64}


def record(fid, kl=5.0, epochs=5, **config):
    scores = {"test/fid": fid, "test/fid_floor": 1.7, "test/fid_reconstructions": fid / 2, "test/kl": kl,
              "test/loss": fid / 10, "test/recon": fid / 9}  # fmt: skip
    made = {"k1": 0.5, "k2": 0.5, "batch_size": 128, "lr": 1e-3, "seed": 0, "epochs": epochs, "latent_dim": 16,
            "choices": {"model": "report_cnn"}, "dataset": {"name": "mnist", "limit": None}, **config}  # fmt: skip
    rows = [{"epoch": epoch, "train/loss": 30.0 - epoch, "val/loss": 31.0 - epoch} for epoch in range(epochs)]
    return Record(Path("run"), "finished", config=made, scores=scores, protocol={"fid": FID}, history=rows)


def dims(**fids):
    return {float(name[1:]): record(fid) for name, fid in fids.items()}


def test_a_u_with_its_best_at_16_holds():
    seen = loss_weights.dimension(dims(_1=500, _4=200, _16=150, _128=180, _256=300)).seen
    assert seen.startswith("Holds. Lowest at 16 dimensions. Holds. A U:")


def test_another_best_or_another_shape_does_not_hold():
    assert loss_weights.dimension(dims(_1=500, _4=100, _16=150)).seen.startswith("Does not hold here. Lowest at 4")
    not_a_u = dims(_1=100, _4=200, _16=50, _64=40, _128=60)
    assert "Does not hold here. Not a clean U" in loss_weights.dimension(not_a_u).seen


def test_a_collapsed_run_is_named():
    runs = {**dims(_4=200, _16=150, _128=300), 1024.0: record(900, kl=0.001)}
    assert "At 1024 dimensions the posterior collapsed" in loss_weights.dimension(runs).seen


@pytest.mark.parametrize(("best", "told"), [(0.5, "Holds. "), (0.9, "Holds in part. "), (1.0, "Does not hold here. ")])
def test_the_best_proportion_is_judged_by_its_place(best, told):
    runs = {share: record(100 if share == best else 200) for share in (0.0, 0.5, 0.9, 1.0)}
    assert loss_weights.proportion(runs).seen.startswith(told)


def test_epochs_and_noise_are_judged_apart():
    seen = models.dense_runs({5: record(275, epochs=5), 12: record(236, epochs=12)}, record(296)).seen
    assert "Holds. Noise makes FID worse: 275.0 without, 296.0 with" in seen
    assert "Does not hold here. More epochs improve it: 275.0 after 5, 236.0 after 12" in seen


def test_cnn_and_dense_are_compared_at_equal_epochs():
    dense = {5: record(275, epochs=5), 50: record(100, epochs=50)}
    assert models.cnn_and_dense({16: record(167)}, dense).seen.startswith("Holds.")
    assert models.cnn_and_dense({16: record(300)}, dense).seen.startswith("Does not hold here.")


def test_runs_that_do_not_exist_are_marked_as_missing(tmp_path):
    found = list(sections(Report(tmp_path)))
    assert len(found) == 10
    assert {section.seen for section in found} == {MISSING}
    text = page(found, tmp_path)
    assert text.count(MISSING) == 10
    assert "https://" not in text.split("<script>")[0]
