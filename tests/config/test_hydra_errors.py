import re

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from vae_lab.config.conf import CONF
from vae_lab.config.hydra_errors import explain_hydra, register_resolvers
from vae_lab.config.names import slug


@pytest.mark.parametrize(
    "overrides",
    ["", "beta=4", "beta=4,model=cnn", "lr=1e-3", "data=/a b/c", "x=[1,2]", "+a='b'", "a=ü", "m.n=${k}"],
)
def test_a_slug_can_be_typed_as_the_name_of_a_folder(overrides):
    assert re.fullmatch(r"[\w.+-]+", slug(overrides))


def test_a_slug_names_the_overridden_settings():
    assert slug("beta=4,model=cnn") == "beta-4_model-cnn"
    assert slug("") == slug("///") == "default"


def test_long_overrides_are_cut_and_stay_apart():
    first, second = (slug("model.net.width=400," * 20 + end) for end in ("seed=1", "seed=2"))
    assert len(first) <= 110
    assert first != second


def explained(*overrides: str, config: str = "train") -> str | None:
    try:
        with initialize_config_dir(str(CONF.absolute()), version_base="1.3"):
            OmegaConf.to_container(compose(config, list(overrides)), throw_on_missing=True)
    except Exception as error:
        return explain_hydra(error, config)
    raise AssertionError("nothing was refused")


def test_an_unknown_key_is_named_with_the_nearest():
    assert explained("latent_dims=4").startswith("latent_dims: no such key (did you mean 'latent_dim'?)")


def test_an_unknown_key_in_a_group_is_named_with_the_nearest():
    assert "did you mean 'model.net.width'?" in explained("model.net.widht=4")


def test_an_unknown_option_is_named_with_the_others():
    told = explained("model=cnm")
    assert told.startswith("model=cnm: no such option (did you mean 'cnn'?)")
    assert "report_dense" in told


def test_an_unknown_group_is_named():
    assert explained("modell=cnn").startswith("modell: no such key (did you mean 'model'?)")


@pytest.mark.parametrize(
    ("command", "word", "reported"),
    [
        ("evaluate", "beta=4", "beta: vae-lab evaluate has no such key; it belongs to vae-lab train"),
        ("evaluate", "model=cnn", "model: vae-lab evaluate has no such key; it belongs to vae-lab train"),
        ("sample", "model.net.width=4", "model.net.width: vae-lab sample has no such key; it belongs to vae-lab train"),
        (
            "compare",
            "dataset=digits",
            "dataset: vae-lab compare has no such key; it belongs to vae-lab train or vae-lab",
        ),
        (
            "train",
            "run=x",
            "run: vae-lab train has no such key; it belongs to vae-lab evaluate, vae-lab explore, vae-lab figures",
        ),
        (
            "evaluate",
            "sampler.components=2",
            "sampler.components: the chosen sampler has no such key; it belongs to sam",
        ),
        ("sample", "nn=4", "nn: no such key (did you mean 'n'?); vae-lab sample --help lists all keys"),
        ("evaluate", "latent_dims=4", "latent_dims: no such key; vae-lab evaluate --help lists all keys"),
    ],
)
def test_a_key_of_another_command_is_reported_with_that_command(command, word, reported):
    assert explained(word, config=command).startswith(reported)


def test_a_word_that_is_no_override_is_shown():
    assert explained("latent_dim 4").startswith("'latent_dim 4' is not of the form key=value")


def test_a_missing_requirement_is_reported_with_the_words_to_type():
    assert explained(config="sample") == "run is needed; type run=…"
    assert explained("dataset=image_folder") == "dataset.source.path is needed; type dataset.source.path=…"


def test_a_folder_that_cannot_be_written_is_named():
    told = explain_hydra(PermissionError(13, "Permission denied", "/outputs"))
    assert told.startswith("/outputs cannot be written or read (Permission denied); type hydra.run.dir=")


@pytest.mark.parametrize("error", [ValueError("x"), RuntimeError("Key 'a' is not in struct"), OSError("no name")])
def test_errors_of_others_are_not_explained(error):
    assert explain_hydra(error) is None


@pytest.mark.parametrize("overrides", [("latent_dims=4",), ("model=cnm",), ("a b",), ("dataset=image_folder",)])
def test_explanations_are_one_line(overrides):
    assert "\n" not in explained(*overrides)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${subtract:1,0.95}", 0.05),
        ("${subtract:1,${k1}}", 0.7),
        ("${divide:1,${multiply:128,2048}}", 1 / (128 * 2048)),
        ("${divide:1,3}", 0.333333333333),
        ("${multiply:3,0.1}", 0.3),
        ("${subtract:1,1}", 0.0),
    ],
)
def test_yaml_computes_with_twelve_digits(text, value):
    register_resolvers()
    assert OmegaConf.create({"k1": 0.3, "found": text}).found == pytest.approx(value, rel=1e-11)
    assert len(repr(OmegaConf.create({"k1": 0.3, "found": text}).found)) <= 18


@pytest.mark.parametrize("text", ["${divide:1,0}", "${subtract:1,many}", "${subtract:1,${k1}}"])
def test_an_expression_that_cannot_be_computed_is_reported_in_one_line(text):
    register_resolvers()
    with pytest.raises(OmegaConfBaseException) as failed:
        OmegaConf.create({"k1": None, "found": text}).found  # noqa: B018
    assert "cannot be computed" in explain_hydra(failed.value)


def test_a_long_list_of_options_is_replaced_by_how_to_list_them():
    told = explained("experiment=famly/vae")
    assert told.startswith(
        "experiment=famly/vae: no such option (did you mean 'family/vae'?); vae-lab train --help lists"
    )
    assert len(told) < 150


@pytest.mark.parametrize("command", ["train", "score"])
def test_an_unknown_dataset_is_told_how_to_use_own_images(command):
    assert "your own images: image_folder" in explained("dataset=imagenet", config=command)


@pytest.mark.parametrize("command", ["evaluate", "sample"])
def test_a_run_keeps_its_dataset_and_what_is_possible_is_said(command):
    told = explained("dataset=mnist", config=command)
    assert "a run keeps the dataset that it was trained on" in told
    assert "vae-lab score images=… dataset=…" in told
    assert len(told) < 350


def test_a_value_with_signs_is_told_to_be_quoted():
    assert explained("sweep=a;(b").startswith("sweep=a;(b: Hydra cannot read this value; quote a text with signs")
