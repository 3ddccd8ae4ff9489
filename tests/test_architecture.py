"""Tests that imports point in one direction, and that only certain parts of the package import large libraries."""

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import vae_lab
from vae_lab.config.conf import CONF

PACKAGE = Path(vae_lab.__file__).parent

# The rooms (modules and packages directly in vae_lab) by floor, from the lowest up, in the order of the README.
# A room may import only from lower floors.
FLOORS = [
    {"errors", "functional", "schedules", "types", "version"},
    {"config", "examples", "likelihoods", "nets", "noise", "priors", "system"},
    {"data", "inference", "posteriors", "quantizers", "samplers", "scores", "training"},
    {"features", "latents", "models", "objectives", "report"},
    {"figures", "metrics"},
    {"evaluation"},
    {"explorer", "runs"},
    {"compare"},
    {"commands"},
    {"sweep"},
    {"cli", "launchers", "search", "stack"},
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}

# The root package is left out: it imports load_run on first use, from a higher floor.
FILES = [path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"]


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(path): path for path in FILES}


def imported(path: Path) -> set[str]:
    """The full names of all imports of a file, at its top or inside a function."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return names


def own(path: Path) -> set[str]:
    """The modules of the package that a file imports, as names relative to the package."""
    names = {name.removeprefix("vae_lab.") for name in imported(path) if name.startswith("vae_lab.")}
    return {name for name in names if name in MODULES} - {module_of(path)}


def test_the_table_of_the_readme_has_every_room_on_its_floor():
    lines = (PACKAGE.parent / "README.md").read_text(encoding="utf-8").splitlines()
    named = {
        re.sub(r"/|\.py", "", name): int(row[1])
        for row in (re.split(r" ?\| ?", line) for line in lines if re.match(r"\| \d+ \| `", line))
        for name in re.findall(r"`(.+?)`", row[2])
    }
    assert named == FLOOR


def room(module: str) -> str:
    return module.split(".")[0]


def test_every_module_has_a_floor():
    assert {room(module) for module in MODULES} == set(FLOOR)


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module):
    here = room(module)
    assert {name for name in own(MODULES[module]) if room(name) != here and FLOOR[room(name)] >= FLOOR[here]} == set()


def test_no_module_imports_itself_in_a_circle():
    graph = {module: own(path) for module, path in MODULES.items()}
    assert set(TopologicalSorter(graph).static_order()) == set(MODULES)


def users_of(*libraries: str) -> set[str]:
    """The rooms that import one of these libraries."""
    tops = {module: {name.split(".")[0] for name in imported(path)} for module, path in MODULES.items()}
    return {room(module) for module, found in tops.items() if found & set(libraries)}


def test_hydra_is_imported_in_the_config_room_alone():
    assert users_of("hydra", "omegaconf") == {"config"}


def test_lightning_is_imported_in_few_places():
    assert users_of("pytorch_lightning", "lightning") == {"commands", "data", "report", "runs", "stack", "training"}


def test_wandb_is_imported_in_the_report_room_alone():
    assert users_of("wandb") == {"report"}


def test_pictures_are_drawn_in_one_place():
    assert users_of("matplotlib") == {"figures"}


def test_networks_and_losses_import_no_tools():
    inner = {"likelihoods", "models", "nets", "noise", "objectives", "posteriors", "priors", "quantizers"}
    tools = {"hydra", "omegaconf", "pytorch_lightning", "wandb", "matplotlib", "rich", "sklearn", "yaml"}
    assert inner & users_of(*tools) == set()


@pytest.mark.parametrize("module", ["vae_lab", "vae_lab.cli"])
def test_the_program_answers_before_torch_is_loaded(module):
    heavy = ("torch", "hydra", "pytorch_lightning", "wandb")
    code = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_help_is_shown_before_torch_is_loaded():
    code = (
        "import sys; from vae_lab.config.help import command_help; command_help('train'); print('torch' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


CHOICES = [path for path in sorted(CONF.rglob("*.yaml")) if not path.name.startswith("_")]


@pytest.mark.parametrize("path", CHOICES, ids=[str(path.relative_to(CONF)) for path in CHOICES])
def test_every_yaml_opens_with_a_description(path):
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("# @package")]
    assert lines[0].startswith("# ")
    assert len(lines[0]) > 10


def test_files_of_tests_have_names_of_their_own():
    """Of two files with one name, pytest imports the first in place of the second, whose tests then do not run."""
    names = [path.name for path in Path(__file__).parent.rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
