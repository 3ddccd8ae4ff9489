"""Repeating a run from its config: ``vae-lab train --config-dir=<run folder> --config-name=config``.

The file may come from someone else. Hydra builds callbacks and log handlers from a config's ``hydra:`` node before any
other code can look at it, so it never sees the file itself: it receives a copy that has only the settings of a run.
"""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import yaml

from vae_lab.config.composing import key_of
from vae_lab.config.conf import CONF
from vae_lab.config.help import groups
from vae_lab.config.node import Node
from vae_lab.config.settings import TrainConfig
from vae_lab.errors import UserError
from vae_lab.system.reading import read_yaml

COPY = "saved"  # the name of the copy, which is none of the package's own configs


@contextmanager
def saved_config(command: str, options: list[str], words: list[str]) -> Iterator[list[str]]:
    """Yield the options of Hydra with a saved config replaced by a safe copy of it, which exists inside the block.

    Args:
        command: the command.
        options: options of Hydra.
        words: overrides. The options of groups among them, such as ``logger=none``, take the place of what was saved.

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
        copy.write_text(yaml.safe_dump(_composable(path, words), sort_keys=False, allow_unicode=True), encoding="utf-8")
        yield [*others, f"--config-dir={copies}", f"--config-name={COPY}"]


def _composable(path: Path, words: list[str]) -> Node:
    """Return the config of a run as a primary config of Hydra, with this package's settings of Hydra."""
    content = read_yaml(path)
    other = next((key for key in content if key not in TrainConfig.model_fields), None)
    if other is not None:
        raise UserError(f"{path}: the config of a run has no key {other}; remove it from the file")
    style = yaml.safe_load((CONF / "figures" / "_style.yaml").read_text(encoding="utf-8"))
    content["figures"] = {"style": style, **(content.get("figures") or {})}  # earlier versions have no style
    primary: Node = yaml.safe_load((CONF / "train.yaml").read_text(encoding="utf-8"))
    chosen = sorted({key_of(word) for word in words} & set(groups()) & set(content))
    content = {key: value for key, value in content.items() if key not in chosen}
    defaults = [
        *({key: None} for key in chosen),
        *(e for e in primary["defaults"] if "override hydra/job_logging" in e),
    ]
    later = {"continues": None, "init": None, "classifier": True}  # keys that earlier versions do not have
    _restore_references(content)
    return {"defaults": ["_self_", *defaults], **later, **content, "trust": [], "hydra": primary["hydra"]}


def _restore_references(config: Node) -> None:
    """Put ``${seed}`` and others back, in place, where the options of this package have them.

    A saved config has values in their place. Without the references, ``seed=1`` would not reach ``dataset.seed``, nor
    ``epochs=40`` the schedule of the learning rate. A value that differs from what it refers to was typed, and is kept.
    """
    for (group, *inner, key), of in _references().items():
        node = config.get(group)
        for part in inner:
            node = node.get(part) if isinstance(node, dict) else None
        if isinstance(node, dict) and key in node and of in config and node[key] == config[of]:
            node[key] = f"${{{of}}}"


@cache
def _references() -> dict[tuple[str, ...], str]:
    """The places of references to settings in the options of all groups: ``("dataset", "seed")`` -> ``seed``."""
    found: dict[tuple[str, ...], str] = {}
    for path in CONF.glob("*/**/*.yaml"):
        group = path.relative_to(CONF).parts[0]
        if group != "experiment":  # its keys are those of the whole config
            found |= dict(_in_node(yaml.safe_load(path.read_text(encoding="utf-8")), (group,)))
    return found


def _in_node(node: object, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    for key, value in node.items() if isinstance(node, dict) else ():
        reference = re.fullmatch(r"\$\{(\w+)\}", value) if isinstance(value, str) else None
        if reference:
            yield (*place, key), reference.group(1)
        yield from _in_node(value, (*place, key))
