from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made import config, make_run, protocol

from vae_lab.compare.choosing import best_cells, best_of, how_marked, missing_validation
from vae_lab.compare.compared import Compared
from vae_lab.compare.protocols import letter, metric_of
from vae_lab.compare.reading import Record, read
from vae_lab.compare.scores import over_seeds
from vae_lab.errors import UserError


def run(value: float, told: dict | None = None, name: str = "fid", meaning: str = "lower is better", **changed):
    return Record(
        Path(f"run{value}"), "finished", config=config(**changed), scores={f"test/{name}": value},
        meanings={f"test/{name}": meaning}, protocol=protocol(**(told or {})),
    )  # fmt: skip


def best(records: list[Record], name: str = "fid") -> set[int]:
    compared = Compared(records)
    return best_of(compared, compared.scores[name], [(run,) for run in range(len(records))])


def test_mean_and_spread_over_seeds_are_numpys():
    values = np.random.default_rng(0).normal(100, 3, 7)
    mean, sd, n = over_seeds(enumerate(values.tolist()))
    assert (mean, sd) == pytest.approx((values.mean(), values.std(ddof=1)), rel=1e-12)
    assert n == 7


def test_the_same_seed_twice_is_one_draw():
    assert over_seeds([(0, 1.0), (0, 3.0), (1, 4.0)]) == (3.0, pytest.approx(np.std([2, 4], ddof=1)), 2)
    assert over_seeds([(5, 1.0), (5, 3.0)]) == (2.0, None, 1)


def test_runs_that_differ_in_the_seed_alone_are_one_cell():
    compared = Compared([run(v, latent_dim=d, seed=s) for v, d, s in [(1, 2, 0), (3, 2, 1), (9, 4, 0)]])
    assert [cell.runs for cell in compared.cells] == [(0, 1), (2,)]
    value = compared.value(compared.scores["fid"], (0, 1))
    assert (value.mean, value.spread, value.seeds) == (2.0, pytest.approx(2**0.5), 2)
    assert best_cells(compared, compared.scores["fid"]) == {(0, 1)}


@pytest.mark.parametrize(
    ("meaning", "values", "winner"),
    [
        ("lower is better", (3.0, 1.0, 2.0), {1}),
        ("nats, higher is better", (3.0, 1.0, 2.0), {0}),
        ("kernel distance, 0 is best", (-3.0, 1.0, 2.0), {1}),
        ("share, 1 is best", (0.3, 0.1, 0.2), {0}),
        ("lower is better", (1.0, 1.0, 2.0), {0, 1}),
        ("lower is better", (float("nan"), 1.0, 2.0), {1}),
        ("latent dimensions in use", (3.0, 1.0, 2.0), set()),
    ],
)
def test_the_best_follows_the_direction_stated_in_the_meaning(meaning, values, winner):
    assert best([run(v, meaning=meaning) for v in values]) == winner


def test_nothing_is_best_without_another_to_beat():
    assert best([run(1.0)]) == set()
    assert best([run(1.0), run(2.0, {"images": 1000})]) == set()


def validated(value: float, on_validation: float | None, told: dict | None = None) -> Record:
    """A run with a test score and, unless it is None, the same score of the validation set."""
    record = run(value, told)
    if on_validation is not None:
        record.scores["val/fid"] = on_validation
        record.meanings["val/fid"] = "lower is better"
        record.protocol["val_fid"] = {"images": 90, "split": "val"}
    return record


def test_the_best_is_chosen_by_validation_scores_where_every_run_has_them():
    records = [validated(3.0, 1.0), validated(1.0, 2.0), validated(2.0, 3.0)]
    assert best(records) == {0}
    assert best(records, "val/fid") == {0}
    compared = Compared(records)
    assert compared.show == ["fid", "val/fid"]
    assert how_marked(compared, compared.show) == "▸ marks the best value within its protocol: fid by val/fid"


def test_the_best_is_chosen_by_test_scores_where_a_run_has_no_validation_score_and_that_is_said():
    records = [validated(3.0, 1.0), validated(1.0, 2.0), validated(2.0, None)]
    assert best(records) == {1}
    told = how_marked(Compared(records), ["fid"])
    assert told.endswith(": fid by the test score itself, because not every run has val/fid")


def test_validation_scores_choose_within_the_protocol_of_the_test_score():
    other = {"images": 1000}
    assert best([validated(1, 9), validated(2, 8), validated(3, 7, other), validated(4, 6, other)]) == {1, 3}


def test_where_no_run_has_a_validation_score_it_is_said_how_to_get_one():
    compared = Compared([run(3.0), run(1.0)])
    assert how_marked(compared, ["fid"]).endswith(": fid by the test score itself, because no run has val/fid")
    assert missing_validation(compared, ["fid"]) == "metrics=[fast,val_fid] computes val/fid"
    assert missing_validation(Compared([validated(3.0, 1.0), validated(1.0, None)]), ["fid"]) == ""


def test_nothing_is_said_to_be_marked_where_no_score_has_a_better_direction():
    compared = Compared([run(3.0, meaning="latent dimensions in use"), run(1.0, meaning="latent dimensions in use")])
    assert how_marked(compared, ["fid"]).startswith("No value is marked")


def test_a_score_by_which_runs_are_chosen_comes_first():
    directions = {"val/loss": "nats", "val/recon": "nats", "val/kl": "nats", "val/elbo": "nats, higher is better"}
    record = Record(Path("r"), "finished", config=config(), scores=dict.fromkeys(directions, 1.0), meanings=directions)
    assert Compared([record]).show == ["val/elbo", "val/recon", "val/kl"]
    record.scores["test/active_units"] = 2.0
    assert Compared([record]).show == ["val/elbo", "val/recon", "val/kl", "active_units"]
    record.scores["test/elbo"] = record.scores["test/fid"] = 2.0
    record.meanings |= {"test/elbo": "higher is better", "test/fid": "lower is better"}
    assert Compared([record]).show == ["fid", "elbo", "val/elbo", "active_units"]


def test_without_any_score_the_last_loss_of_the_validation_images_is_shown():
    rows = [{"epoch": 1, "val/loss": 9.0}, {"epoch": 2, "val/loss": 7.5}]
    bare = Record(Path("r"), "finished", config=config(), history=rows)
    compared = Compared([bare, replace(bare, status="interrupted")])
    assert compared.show == ["val/loss (last epoch)"]
    assert compared.scores["val/loss (last epoch)"].values == {0: 7.5}
    assert compared.scores["val/loss (last epoch)"].better is None
    assert "val/loss (last epoch)" not in Compared([bare, run(1.0)]).scores


@pytest.mark.parametrize("told", [{"images": 1000}, {"extractor_sha256": "b" * 64}, {"reference": "all of mnist"}])
def test_runs_under_another_protocol_are_apart(told):
    compared = Compared([run(3.0), run(1.0), run(2.0, told), run(5.0, told), run(4.0)])
    score = compared.scores["fid"]
    assert [score.protocols.number_of[i] for i in range(5)] == [0, 0, 1, 1, 0]
    assert best(compared.records) == {1, 2}
    assert next(iter(told)).split("_")[-1] in score.protocols.label(0)


@pytest.mark.parametrize("told", [{"seed": 9}, {"bootstrap": "other"}, {"sampler": "given images"}])
def test_settings_that_do_not_change_a_scores_meaning_do_not_separate_runs(told):
    assert len(Compared([run(3.0), run(1.0, told)]).scores["fid"].protocols) == 1


def test_labels_of_a_conditional_model_are_no_other_sampler():
    told = "decoder means of draws from the prior"
    compared = Compared([run(3.0, {"sampler": told}), run(1.0, {"sampler": f"{told}, labels drawn as in training"})])
    assert compared.settings == []


def test_another_sampler_is_shown_as_a_column():
    compared = Compared([run(3.0), run(1.0, {"sampler": "given images"})])
    assert [setting.name for setting in compared.settings] == ["sampler"]


def test_other_data_part_every_score():
    compared = Compared([run(3.0), run(1.0, dataset__name="mnist")])
    assert len(compared.scores["fid"].protocols) == 2
    folders = [{"dataset__source": {"_target_": "a.Folder", "path": path}} for path in "ab"]
    assert len(Compared([run(3.0, **folder) for folder in folders]).scores["fid"].protocols) == 2


def test_scores_of_different_crops_are_different_protocols_and_those_of_another_memory_limit_are_not():
    """FIDs of faces that were cut to 148 and to 140 pixels do not compare, however alike their settings are."""

    def of(crop: int, limit: float, value: float) -> Record:
        source = {"_target_": "a.CelebA", "height": 64, "width": 64, "crop": crop, "memory_gb": limit}
        return run(value, {"crop": crop}, dataset__name="celeba", dataset__source=source)

    compared = Compared([of(148, 1.0, 50.0), of(148, 4.0, 49.0), of(140, 1.0, 40.0)])
    protocols = compared.scores["fid"].protocols
    assert protocols.number_of == {0: 0, 1: 0, 2: 1}
    assert [protocols.label(i) for i in (0, 1)] == ["A: crop 148 (2 runs)", "B: crop 140 (1 run)"]


def test_binarised_data_part_likelihoods_but_not_scores_of_clean_images():
    changed = {"dataset__binarize": "dynamic"}
    assert len(Compared([run(3.0), run(1.0, **changed)]).scores["fid"].protocols) == 1
    elbos = [run(3.0, name="elbo"), run(1.0, name="elbo", **changed)]
    assert len(Compared(elbos).scores["elbo"].protocols) == 2


@pytest.mark.parametrize(("name", "protocols"), [("elbo", 1), ("iwae_bound", 2)])
def test_a_bound_of_k_samples_stands_beside_those_of_as_many_alone(name, protocols):
    few, many = (run(value, name=name) for value in (3.0, 1.0))
    many.protocol["loss_terms"]["latent_samples"] = 50
    assert len(Compared([few, many]).scores[name].protocols) == protocols


def test_seeds_under_two_protocols_have_no_mean():
    compared = Compared([run(1.0, seed=0), run(2.0, {"images": 9}, seed=1)])
    assert compared.value(compared.scores["fid"], (0, 1)) is None
    assert compared.mixed(compared.scores["fid"], (0, 1))


@pytest.mark.parametrize(
    ("score", "metric"),
    [
        ("fid", "fid"),
        ("fid_infinity", "fid"),
        ("fid_reconstructions", "fid"),
        ("fid_infinity_inception", "fid_inception"),
        ("fid_inception_floor", "fid_inception"),
        ("precision", "prdc"),
        ("label_distance", "label_distribution"),
        ("nll_bits_per_dim", "nll"),
        ("dci_completeness", "dci"),
        ("elbo", "loss_terms"),
        ("iwae_bound", "loss_terms"),
        ("somebodys_own", None),
        ("val/elbo", "val_loss_terms"),
        ("val/fid", "val_fid"),
        ("val/fid_inception", "val_fid_inception"),
        ("val/nll", None),
    ],
)
def test_a_score_is_found_under_its_metric(score, metric):
    metrics = ("fid", "fid_inception", "prdc", "label_distribution", "nll", "dci", "loss_terms")
    metrics += ("val_loss_terms", "val_fid", "val_fid_inception")
    known: dict[str, dict] = {name: {} for name in metrics}
    assert metric_of(score if "/" in score else f"test/{score}", known) == metric


@pytest.mark.parametrize(
    ("score", "metric"),
    [
        ("perplexity", "codes"),
        ("perplexity_level2_depth1", "codes"),
        ("codes_used_level1", "codes"),
        ("code_nats", "codes"),
        ("bound_bits_per_dim", "bound"),
        ("rate_fitted_level1", "bound"),
        ("rate_uniform_level2", "bound"),
        ("kl_level1", "levels"),
        ("active_units_level3", "levels"),
        ("active_units", "latent_use"),
        ("recon_top2", "levels"),
        ("rate_top1", "levels"),
        ("rate", "loss_terms"),
        ("kl_reconstructions", "loss_terms"),
        ("repulsion", "loss_terms"),
        ("commitment", "loss_terms"),
        ("mi", "batch_terms"),
        ("own2", "own2"),
        ("somebodys_own", None),
    ],
)
def test_a_score_with_the_number_of_a_level_is_found_under_its_metric(score, metric):
    names = ("codes", "bound", "levels", "latent_use", "own", "own2")
    known: dict[str, dict] = {"batch_terms": {"terms": ["mi"]}, **{name: {} for name in names}}
    known |= {"loss_terms": {"terms": ["loss", "commitment"]}, "val_loss_terms": {"terms": ["loss", "commitment"]}}
    assert metric_of(f"test/{score}", known) == metric


def test_the_bound_under_the_fitted_prior_is_shown_before_the_elbo_under_the_uniform_one():
    records = [run(3.0), run(1.0)]
    records[0].scores = {**records[0].scores, "test/bound": 100.0, "test/elbo": -500.0}
    shown = Compared(records).show
    assert shown.index("bound") < shown.index("elbo")


@pytest.mark.parametrize(
    ("score", "metric"),
    [
        ("fid_gmm", "fid_gmm"),
        ("fid_infinity_gmm_floor", "fid_gmm"),
        ("fid_gmm_split_floor", "fid_gmm"),
        ("fid_inception_gmm", "fid_inception_gmm"),
        ("precision_two_stage", "prdc_two_stage"),
        ("precision_two_stage_floor", "prdc_two_stage"),
        ("label_distance_gmm", "label_distribution_gmm"),
        ("fid", "fid"),
    ],
)
def test_a_score_of_a_sampler_is_found_under_the_metric_of_that_sampler(score, metric):
    metrics = ("fid", "fid_gmm", "fid_inception_gmm", "prdc", "prdc_two_stage", "label_distribution_gmm")
    known: dict[str, dict] = {"samplers": {"gmm": {}, "two_stage": {}}, **{name: {} for name in metrics}}
    assert metric_of(f"test/{score}", known) == metric


def test_samplers_of_a_run_are_no_other_source_of_its_images_and_their_scores_compare():
    told = {"images": 360, "sampler": "decoder means of draws from a mixture", "extractor_sha256": "a"}
    records = [run(3.0), run(1.0)]
    for record, seconds in zip(records, (1.0, 2.0)):
        record.protocol = {"samplers": {"gmm": {"seconds": seconds}}, "fid_gmm": told, **record.protocol}
        record.scores = {**record.scores, "test/fid_gmm": record.scores["test/fid"], "test/mine": 1.0}
        record.meanings = {**record.meanings, "test/fid_gmm": "samples, lower is better"}
    compared = Compared(records)
    assert compared.samplers == ["decoder means of draws from the prior"] * 2
    assert not compared.settings
    assert compared.scores["fid_gmm"].better == "lower"
    assert all(len(compared.scores[name].protocols) == 1 for name in ("fid_gmm", "mine"))
    assert compared.show[:2] == ["fid", "fid_gmm"]


def test_every_score_of_a_real_run_is_found_under_one_metric(finished):
    record = read(finished)
    assert {metric_of(name, record.protocol) for name in record.scores} == {
        "loss_terms", "val_loss_terms", "latent_use", "fid", "label_distribution"
    }  # fmt: skip


def test_a_score_that_no_run_has_is_refused_with_the_nearest(tmp_path):
    records = [read(make_run(tmp_path / "run"))]
    assert Compared(records, ["test/kl", "fid"]).show == ["kl", "fid"]
    with pytest.raises(UserError, match=r"show=fidd: no run has this score \(did you mean 'fid'\?\)"):
        Compared(records, ["fidd"])


def test_letters_go_on_after_z():
    assert [letter(i) for i in (0, 25, 26)] == ["A", "Z", "A2"]
