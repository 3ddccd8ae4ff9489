from pathlib import Path

import pytest
from made import config

from vae_lab.compare.compared import Compared
from vae_lab.compare.reading import Record
from vae_lab.compare.settings import MISSING, Setting, axes, differing, format_setting, others


def records(*changes: dict) -> list[Record]:
    return [Record(Path("run"), "finished", config=config(**change)) for change in changes]


def columns(*changes: dict) -> dict[str, tuple]:
    return {setting.name: setting.values for setting in differing(records(*changes))}


def test_settings_that_repeat_a_number_are_shown_once_under_its_name():
    told = columns({"lr": 1e-3, "batch_size": 32, "epochs": 3}, {"lr": 1e-2, "batch_size": 64, "epochs": 9})
    assert told == {"batch_size": (32, 64), "epochs": (3, 9), "lr": (1e-3, 1e-2)}


def test_seed_place_and_logging_are_no_settings():
    assert columns({"seed": 0, "data_dir": "a", "logger__mode": "x"}, {"seed": 1, "data_dir": "b", "logger": {}}) == {}


def test_beta_stands_for_the_weights_while_k1_is_one():
    assert columns({"beta": 1.0, "k2": 1.0}, {"beta": 4.0, "k2": 4.0}) == {"beta": (1.0, 4.0)}


def test_weights_stand_for_themselves_where_k1_varies():
    told = columns({"k1": 0.5, "k2": 0.5, "beta": 1.0}, {"k1": 0.2, "k2": 0.8, "beta": 4.0})
    assert told == {"k1": (0.5, 0.2), "k2": (0.5, 0.8)}


def test_the_common_settings_state_both_weights_if_the_first_is_not_one():
    assert "k1=0.5, k2=0.5" in Compared(records(*({"k1": 0.5, "k2": 0.5, "lr": lr} for lr in (1, 2)))).common()
    common = Compared(records({"k1": 1.0, "k2": 4.0, "beta": 4.0}, {"k1": 1.0, "k2": 4.0, "beta": 4.0})).common()
    assert "beta=4" in common
    assert "k1" not in common
    half = Compared(records({"k1": 0.5, "k2": 0.5, "beta": 1.0}, {"k1": 0.5, "k2": 2.0, "beta": 4.0})).common()
    assert "k1=0.5" in half
    assert "beta" not in half


def test_an_objective_without_a_kl_term_has_no_weights():
    told = columns({"beta": 4.0, "k2": 4.0}, {"beta": 2.0, "k2": 2.0}, {"objective": {"_target_": "a.Autoencoder"}})
    assert told["beta"] == (4.0, 2.0, MISSING)
    assert "k2" not in told


def test_an_option_is_shown_by_its_name_and_not_by_its_contents():
    dense = {"model": {"net": {"_target_": "a.Dense", "units": 400}}, "choices__model": "dense"}
    assert columns({}, dense) == {"model": ("cnn", "dense")}


def test_a_number_within_one_option_is_shown_beside_it():
    dense = {"model": {"net": {"_target_": "a.Dense", "units": 400}}, "choices__model": "dense"}
    told = columns({"model__net__width": 16}, {"model__net__width": 32}, dense)
    assert told == {"model": ("cnn", "cnn", "dense"), "model.net.width": (16, 32, MISSING)}


def test_classes_distinguish_options_whose_names_do_not():
    other = {"likelihood": {"_target_": "vae_lab.likelihoods.MSE"}, "choices": {}}
    assert columns({"choices": {}}, other) == {"likelihood": ("Sigma", "MSE")}


def test_null_is_a_value_and_absence_is_none():
    assert columns({"dataset__limit": None}, {"dataset__limit": 100}) == {"dataset.limit": ("null", 100)}
    scored = Record(Path("s"), "finished", config={"images": "faces", "seed": 0, "dataset": {"name": "digits"}})
    told = {s.name: s.values for s in differing([*records({}, {}), scored])}
    assert told == {"images": (MISSING, MISSING, "faces")}


def test_runs_whose_config_is_lost_have_no_settings():
    told = differing([Record(Path("a"), "failed"), *records({"lr": 1.0}, {"lr": 2.0})])
    assert told[0].values == (MISSING, 1.0, 2.0)


def test_the_share_of_reconstruction_is_an_axis_where_the_weights_add_up_to_the_same():
    settings = differing(records({"k1": 0.25, "k2": 0.75}, {"k1": 0.5, "k2": 0.5}))
    assert axes(settings)[0] == Setting("k1/(k1+k2)", (0.25, 0.5), derived=True)
    settings = differing(records({"k1": 0.25, "k2": 0.75}, {"k1": 0.5, "k2": 0.6}))
    assert [axis.name for axis in axes(settings)] == ["k1", "k2"]


def test_settings_that_follow_from_an_axis_do_not_split_lines():
    x, tied, free = Setting("x", (1, 1, 2, 2)), Setting("tied", (5, 5, 6, 6)), Setting("free", (1, 2, 1, 2))
    assert others([x], [x, tied, free]) == [free]
    share, found = Setting("k1", (0.1, 0.3, 0.6)), Setting("lr", (1e-3, 1e-4, 1e-2))  # one to one by chance
    assert others([share], [share, Setting("k2", (0.9, 0.7, 0.4)), found]) == [found]


def test_a_setting_with_numbers_and_null_varies_independently_of_an_axis():
    x, limit = Setting("latent_dim", (2, 2, 4, 4)), Setting("dataset.limit", ("null", 100, "null", 100))
    assert others([x], [x, limit]) == [limit]


@pytest.mark.parametrize(("value", "text"), [(1.0, "1"), (1e-4, "0.0001"), (True, "true"), (MISSING, "–"), ("a", "a")])
def test_values_are_shown_as_they_are_typed(value, text):
    assert format_setting(value) == text


def family(name: str, objective: str, **change) -> dict:
    return {"choices__experiment": name, "choices__objective": objective, **change}


def test_runs_of_several_experiments_are_distinguished_by_these_names_alone():
    told = columns(family("family/vae", "elbo"), family("family/wae", "wae", latent_dim=8))
    assert told == {"experiment": ("family/vae", "family/wae")}


def test_settings_that_vary_within_an_experiment_are_shown_beside_its_name():
    pairs = [(name, dim) for name in ("vae", "wae") for dim in (2, 4)]
    told = columns(*(family(f"family/{name}", name, latent_dim=dim) for name, dim in pairs))
    assert told == {"experiment": ("family/vae", "family/vae", "family/wae", "family/wae"), "latent_dim": (2, 4, 2, 4)}


def test_numbers_that_an_experiment_sets_stay_axes_and_a_run_without_one_is_named_by_its_settings():
    assert columns(family("a", "elbo"), family("b", "elbo", latent_dim=8)) == {"latent_dim": (2, 8)}
    assert columns({}, family("b", "wae")) == {"objective": ("elbo", "wae")}
