import pytest

from vae_lab.config.references import NotPlain, resolved, with_values

RAW = {"lr": 1e-3, "net": {"width": 8, "lr": "${lr}"}, "model": {"net": "${net}", "sizes": ["${net.width}", 1]}}


def test_values_are_set_in_a_copy():
    config = with_values(RAW, {"lr": 2, "net.width": 9})
    assert (config["lr"], config["net"]["width"]) == (2, 9)
    assert (RAW["lr"], RAW["net"]["width"]) == (1e-3, 8)
    assert config["model"] is RAW["model"]


def test_references_are_replaced_by_copies_of_what_they_refer_to():
    config = with_values(RAW, {"net.width": 9})
    found = resolved(config, config)
    assert found["model"] == {"net": {"width": 9, "lr": 1e-3}, "sizes": [9, 1]}
    assert found["model"]["net"] is not found["net"]


@pytest.mark.parametrize("values", [{"nothing": 1}, {"net": 1}, {"net.width": [1]}, {"lr.x": 1}, {"net.nothing": 1}])
def test_words_that_set_no_single_value_are_left_to_omegaconf(values):
    with pytest.raises(NotPlain):
        with_values(RAW, values)


@pytest.mark.parametrize("value", ["${multiply:1,2}", "${nothing}", "${.lr}", "x${lr}", "???", "${a}", "${lr.x}"])
def test_what_is_more_than_a_reference_is_left_to_omegaconf(value):
    with pytest.raises(NotPlain):
        resolved({"a": value}, {"a": value, "lr": 1})
