import pytest
import yaml
from conftest import TINY

import vae_lab
from vae_lab.config.composing import composer
from vae_lab.config.settings import SweepConfig
from vae_lab.errors import UserError


@pytest.fixture
def folder_with(tmp_path):
    """The path of a class to a run folder whose config names it as the model."""

    def write(target: str):
        with composer([*TINY]) as compose:
            config = {key: value for key, value in compose([]).items() if key not in SweepConfig.model_fields}
        config["model"] = {"_target_": target}
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
        return tmp_path

    return write


def test_a_class_of_a_module_that_python_does_not_find_is_told_with_pythonpath(folder_with, capsys):
    with pytest.raises(UserError) as told:
        vae_lab.load_run(folder_with("models_of_another_package.mine.Model"), trust=["models_of_another_package"])
    assert "config.yaml: model._target_=models_of_another_package.mine.Model: Python does not find" in str(told.value)
    assert str(told.value).endswith("add the folder that holds it to PYTHONPATH")
    assert "damaged" not in str(told.value)
    assert capsys.readouterr() == ("", "")


def test_a_class_that_a_known_module_lacks_makes_a_damaged_config(folder_with):
    with pytest.raises(
        UserError, match=r"config\.yaml is damaged \(model\._target_=vae_lab\.models\.single_level\.Modle cannot be"
    ):
        vae_lab.load_run(folder_with("vae_lab.models.single_level.Modle"))
