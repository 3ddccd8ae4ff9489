"""Repeating a run from its config: ``vae-lab train --config-dir=<run folder> --config-name=config``.

The file may come from someone else. Hydra builds callbacks and log handlers from a config's ``hydra:`` node before any
other code can look at it, so it never sees the file itself: it receives a copy that has only the settings of a run.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from vae_lab.config.conf import CONF
from vae_lab.config.node import Node
from vae_lab.config.schema import TrainConfig
from vae_lab.errors import UserError
from vae_lab.system.reading import read_yaml

COPY = "saved"  # the name of the copy, which is none of the package's own configs


@contextmanager
def saved_config(command: str, options: list[str]) -> Iterator[list[str]]:
    """Yield the options of Hydra with a saved config replaced by a safe copy of it, which exists inside the block.

    Raises:
        UserError: the options do not name a saved config, or the file has other keys than the config of a run.
    """
    chosen = {name: value for name, _, value in (option.partition("=") for option in options)}
    folder, name = chosen.get("--config-dir"), chosen.get("--config-name")
    if folder is None and name is None:
        yield options
        return
    if command != "train" or folder is None or name is None:
        raise UserError(
            "--config-dir and --config-name repeat a run: type vae-lab train --config-dir=<run folder> "
            "--config-name=config; for a folder of your own options, type hydra.searchpath=[<folder>]"
        )
    path = Path(folder) / f"{name.removesuffix('.yaml')}.yaml"
    others = [option for option in options if not option.startswith(("--config-dir", "--config-name"))]
    with tempfile.TemporaryDirectory(prefix="vae-lab-config-") as copies:
        copy = Path(copies) / f"{COPY}.yaml"
        copy.write_text(yaml.safe_dump(_composable(path), sort_keys=False, allow_unicode=True), encoding="utf-8")
        yield [*others, f"--config-dir={copies}", f"--config-name={COPY}"]


def _composable(path: Path) -> Node:
    """Return the config of a run as a primary config of Hydra, with this package's settings of Hydra."""
    content = read_yaml(path)
    other = next((key for key in content if key not in TrainConfig.model_fields), None)
    if other is not None:
        raise UserError(f"{path}: the config of a run has no key {other}; remove it from the file")
    style = yaml.safe_load((CONF / "figures" / "_style.yaml").read_text(encoding="utf-8"))
    content["figures"] = {"style": style, **(content.get("figures") or {})}  # earlier versions have no style
    primary: Node = yaml.safe_load((CONF / "train.yaml").read_text(encoding="utf-8"))
    defaults = [entry for entry in primary["defaults"] if "override hydra/job_logging" in entry]
    return {"defaults": ["_self_", *defaults], **content, "trust": [], "hydra": primary["hydra"]}
