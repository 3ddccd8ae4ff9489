"""Which names a config may contain, and how trust in a package is typed."""

import sys

import pytest

from vae_lab.config.trust import Untrusted, locate, targets_in, targets_typed, trusted, trusting
from vae_lab.errors import NoSuchModule


@pytest.fixture
def own(tmp_path, monkeypatch) -> str:
    """An importable package with a likelihood that notes in a file that it was imported."""
    (tmp_path / "ownlab").mkdir()
    (tmp_path / "ownlab" / "__init__.py").write_text("import os\nfrom pathlib import Path\nPath('imported').touch()\n")
    (tmp_path / "ownlab" / "mine.py").write_text(
        "from vae_lab.likelihoods.mse import MSE\n\nclass Mine(MSE):\n    pass\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yield "ownlab"

    for name in [name for name in sys.modules if name.startswith("ownlab")]:
        del sys.modules[name]


def test_a_trusted_package_lends_its_trust_to_nothing_that_it_imports(own):
    with trusting([own]):
        assert locate("ownlab.mine.Mine").__name__ == "Mine"
        with pytest.raises(Untrusted):
            locate("ownlab.os.system")
        with pytest.raises(Untrusted):
            locate("ownlabel.mine.Mine")
    with pytest.raises(Untrusted):
        locate("ownlab.mine.Mine")


def test_a_package_that_python_does_not_find_is_told_with_pythonpath():
    with pytest.raises(Untrusted, match=r"type trust=\[nolab\], with the folder that holds nolab in PYTHONPATH"):
        locate("nolab.mine.Model", "model")
    with trusting(["nolab"]), pytest.raises(NoSuchModule, match="add the folder that holds it to PYTHONPATH"):
        locate("nolab.mine.Model", "model")


def test_names_are_found_at_any_depth_and_in_words():
    assert targets_in({"a": [{"_target_": "x.Y"}, {"b": {"_target_": "z.W", "c": [{"_target_": "v.U"}]}}]}) == {
        "x.Y", "z.W", "v.U",
    }  # fmt: skip
    words = ["model._target_=a.B", "+prior={_target_: c.D, x: 1}", "figures={a:{'_target_':\"e.F\"}}", "lr=1"]
    assert targets_typed(words) == {"a.B", "c.D", "e.F"}


def test_trust_ends_with_its_block():
    before = trusted()
    with trusting(["a"]):
        with trusting(["b"]):
            assert trusted() == sorted([*before, "a", "b"])
        assert trusted() == sorted([*before, "a"])
    assert trusted() == before


def test_the_names_of_conf_are_allowed_and_their_neighbours_are_not():
    assert locate("torch.optim.Adam").__name__ == "Adam"
    assert locate("vae_lab.report.loggers.wandb_logger").__name__ == "wandb_logger"
    for name in ("torch.optim.RAdam", "vae_lab.report.loggers.close", "torch.optim.lr_scheduler.torch.load"):
        with pytest.raises(Untrusted):
            locate(name)
