import pytest
import yaml

from vae_lab.commands.starting import STARTS
from vae_lab.config import settings
from vae_lab.config.conf import CONF
from vae_lab.config.help import command_help, groups, known_keys, options, overview

SCHEMAS = {"train": settings.TrainConfig, "evaluate": settings.EvaluateConfig, "sample": settings.SampleConfig}


def test_the_overview_shows_every_command():
    assert all(f"vae-lab {command} " in overview() for command in STARTS)


@pytest.mark.parametrize("command", SCHEMAS)
def test_every_key_of_the_schema_is_explained(command):
    told = command_help(command)
    for name, field in SCHEMAS[command].model_fields.items():
        if field.description:
            (line,) = [line for line in told.splitlines() if line.startswith(f"  {name}=")]
            assert field.description in line


def test_every_option_of_every_group_of_train_is_listed_with_its_comment():
    told = command_help("train")
    for group, found in groups().items():
        assert f"\n  {group}" in told
        for option, path in found.items():
            comment = next(line for line in path.read_text().splitlines() if not line.startswith("# @package"))
            assert any(line.split() == [option, *comment[1:].split()] for line in told.splitlines())


def test_the_defaults_are_those_of_the_config():
    assert "  model (default: cnn)" in command_help("train")
    assert "  likelihood (default: mse)" in command_help("train")


def test_the_help_of_sample_does_not_mention_models():
    assert "likelihood" not in command_help("sample")


def test_parts_of_options_are_no_options():
    assert "_options" not in options("dataset")
    assert {"mnist", "digits", "image_folder"} <= set(options("dataset"))


def test_options_in_folders_keep_the_folder_in_their_name():
    assert "report/dense_epochs" in options("experiment")


def test_every_group_has_options_and_every_option_a_file():
    assert set(groups()) == {path.name for path in CONF.iterdir() if path.is_dir()}
    assert all(found and all(path.is_file() for path in found.values()) for found in groups().values())


def test_known_keys_are_those_that_may_be_typed():
    known = set(known_keys())
    assert {"latent_dim", "model", "training.clip", "model.net.width", "likelihood.sigma"} <= known
    assert not any(part.startswith("_") for key in known for part in key.split("."))
    assert not known & {"defaults", "hydra"}


def test_an_option_that_speaks_of_the_whole_config_adds_its_keys_as_they_are_typed():
    known = set(known_keys())
    assert {"model.net.activation", "optimizer.eps"} <= known
    assert not known & {"model.latent_dim", "model.model", "experiment.epochs"}


def test_numbers_at_the_top_of_train_are_fields_of_its_schema():
    primary = yaml.safe_load((CONF / "train.yaml").read_text())
    fields = {*settings.TrainConfig.model_fields, *settings.SweepConfig.model_fields}
    assert set(primary) - {"defaults", "hydra"} <= fields
