from vae_lab.runs.network_settings import differing

CONFIG = {
    "choices": {"dataset": "digits", "model": "dense", "objective": "factor_vae"},
    "latent_dim": 2,
    "conditional": False,
    "dataset": {"name": "digits", "batch_size": 32, "source": {"path": "a", "height": None}},
    "model": {"_target_": "M", "net": {"width": 8}, "posterior": {"blocks": 2}, "conditional": False},
    "posterior": {"blocks": 2},
    "objective": {"gamma": 6.4, "width": 100},
}


def changed(**nodes):
    return {**CONFIG, **nodes}


def test_equal_configs_and_settings_without_a_shape_do_not_differ():
    other = changed(
        objective={"gamma": 5.0, "width": 100}, dataset={**CONFIG["dataset"], "batch_size": 8, "source": {"path": "b"}}
    )
    assert differing(CONFIG, CONFIG) == differing(CONFIG, other) == {}


def test_a_setting_is_named_once_with_both_values_as_they_are_typed():
    assert differing(CONFIG, changed(latent_dim=4, conditional=True)) == {
        "latent_dim": ("2", "4"), "conditional": ("false", "true")
    }  # fmt: skip
    flow = {"blocks": 4}
    other = changed(posterior=flow, model={**CONFIG["model"], "posterior": flow})
    assert differing(CONFIG, other) == {"posterior.blocks": ("2", "4")}


def test_another_option_of_a_group_stands_for_all_its_settings():
    other = changed(choices={**CONFIG["choices"], "dataset": "mnist"}, dataset={"name": "mnist"})
    assert differing(CONFIG, other) == {"dataset": ("digits", "mnist")}


def test_networks_of_the_objective_count_where_they_are_taken_over():
    other = changed(objective={"gamma": 6.4, "width": 50})
    assert differing(CONFIG, other) == {"objective.width": ("100", "50")}
    assert differing(CONFIG, other, of_objective=False) == {}
