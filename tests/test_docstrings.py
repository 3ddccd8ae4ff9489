"""Tests that the examples in docstrings give the stated results."""

import doctest
import importlib
import pkgutil

import pytest

import vae_lab

MODULES = [module.name for module in pkgutil.walk_packages(vae_lab.__path__, "vae_lab.")]
OF_A_SKETCH = {  # their examples need a run folder, a command, minutes
    "vae_lab.runs.run",
    "vae_lab.config.composing",
    "vae_lab.commands.from_python",
}


@pytest.mark.parametrize("name", [name for name in MODULES if name not in OF_A_SKETCH])
def test_examples_in_docstrings_hold(name):
    found = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert found.failed == 0
