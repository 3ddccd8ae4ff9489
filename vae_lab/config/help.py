"""The help texts, read off the configs themselves: a new YAML appears here by itself."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).parents[1]
CONF = _PACKAGE / "conf" if (_PACKAGE / "conf").is_dir() else _PACKAGE.parent / "conf"  # in the wheel; in a checkout

_OVERVIEW = """vae-lab: compose, train, score and picture variational autoencoders

  vae-lab train model=cnn beta=4                        one run: trained, scored, pictured
  vae-lab train -m latent_dim=2,16 beta=1,4             a sweep: every combination, then a page that compares them
  vae-lab train experiment=report/latent_dim            a described experiment; dry_run=true shows its jobs
  vae-lab train dataset=digits                          needs no download
  vae-lab train resume=outputs/<date>/<run>             go on with an interrupted run
  vae-lab evaluate run=outputs/<date>/<run>             score a finished run again
  vae-lab sample run=outputs/<date>/<run> n=1024        write images it generates
  vae-lab score images=<folder or .npy> dataset=mnist   score images that anyone made
  vae-lab compare outputs/sweeps/<sweep>                runs side by side: table, CSV, one HTML page

  vae-lab <command> --help     options and numbers of a command
  vae-lab --version
  eval "$(vae-lab -sc install=bash)"                    tab completion"""

_EXAMPLES = {
    "train": ["model=cnn beta=4", "model=dense latent_dim=2 epochs=50", "-m latent_dim=1,4,16,128 beta=1,4"],
    "evaluate": ["run=outputs/<date>/<run>", "run=outputs/<date>/<run> metrics=fid figures=none",
                 "run=outputs/<date>/<run> sampler=gmm sampler.components=50"],
    "score": ["images=my_images dataset=mnist", "images=samples.npy features=inception metrics=[fid,kid]"],
    "compare": ["outputs/sweeps/<sweep>", "outputs/<date> 'outputs/*/*beta*' show=[fid,elbo] open=true"],
    "sample": ["run=outputs/<date>/<run> n=1024", "run=outputs/<date>/<run> n=16 dir=my_images",
               "run=outputs/<date>/<run> sampler=gmm"],
}  # fmt: skip


def overview() -> str:
    """``vae-lab --help``."""
    return _OVERVIEW


def command_help(command: str) -> str:
    """``vae-lab <command> --help``: examples, groups with their options, numbers with one line each."""
    import yaml

    primary = yaml.safe_load((CONF / f"{command}.yaml").read_text(encoding="utf-8"))
    lines = [f"{_first_comment(CONF / f'{command}.yaml')}.", ""]
    lines += [f"  vae-lab {command} {example}" for example in _EXAMPLES[command]]
    if dict(_defaults(primary)):
        lines += ["", "Groups (group=option; group.key=value changes a number inside)"]
    for group, default in _defaults(primary):
        lines.append(f"\n  {group}" + (f" (default: {default})" if default else ""))
        shown = options(group)
        if command == "score" and "images" in shown:  # the others need a trained model
            images = yaml.safe_load(shown["images"].read_text(encoding="utf-8"))["defaults"]
            shown = {option: path for option, path in shown.items() if option in (*images, "images", "none")}
        lines += [f"    {option:<26}{_first_comment(path)}" for option, path in shown.items()]
    lines += ["", "Numbers (key=value)", ""]
    lines += [f"  {key + '=' + _shown(primary, key):<28}{text}" for key, text in _fields(command)]
    lines += [
        "",
        "Hydra: --cfg job shows the composed config, -m sweeps, hydra.run.dir=… places the run;",
        "       see https://hydra.cc for the grammar of overrides.",
    ]
    return "\n".join(lines)


@cache
def groups() -> dict[str, dict[str, Path]]:
    """Group -> option -> file."""
    folders = sorted(p.name for p in CONF.iterdir() if p.is_dir() and not p.name.startswith("_"))
    return {group: options(group) for group in folders}


def options(group: str) -> dict[str, Path]:
    """The options of a group; names that begin with _ are parts of others."""
    files = sorted((CONF / group).rglob("*.yaml"))
    return {str(p.relative_to(CONF / group).with_suffix("")): p for p in files if not p.name.startswith("_")}


def known_keys() -> list[str]:
    """All that may stand before ``=``: groups, numbers and the keys of every option."""
    import yaml

    keys = set(groups())
    for path in CONF.glob("*.yaml"):
        keys |= set(_dotted(yaml.safe_load(path.read_text(encoding="utf-8"))))
    for group, found in groups().items():
        for path in found.values():
            keys |= keys_of(group, path)
    return sorted(keys - {"defaults", "hydra"})


def keys_of(group: str, path: Path) -> set[str]:
    """The dotted keys of one option, as typed: behind the group, unless the YAML speaks of the whole config."""
    import yaml

    text = path.read_text(encoding="utf-8")
    prefix = "" if text.startswith("# @package _global_") else f"{group}."
    return {f"{prefix}{key}" for key in _dotted(yaml.safe_load(text))}


def _dotted(node: Any, path: str = "") -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key not in ("defaults", "hydra") and not str(key).startswith("_"):
                yield f"{path}{key}"
                yield from _dotted(value, f"{path}{key}.")


def _defaults(primary: dict[str, Any]) -> Iterator[tuple[str, str | None]]:
    for entry in primary["defaults"]:
        if isinstance(entry, dict):
            ((group, option),) = entry.items()
            if not group.startswith("override"):
                yield group, option


def _fields(command: str) -> Iterator[tuple[str, str]]:
    from pydantic import BaseModel

    from vae_lab.config import schema

    models: dict[str, type[BaseModel]] = {
        "train": schema.TrainConfig,
        "evaluate": schema.EvaluateConfig,
        "sample": schema.SampleConfig,
        "score": schema.ScoreConfig,
        "compare": schema.CompareConfig,
    }
    fields = dict(models[command].model_fields)
    if command == "train":
        fields |= schema.SweepConfig.model_fields
    for name, field in fields.items():
        if field.description:
            yield name, field.description
        elif name == "training":
            for part, inner in schema.Training.model_fields.items():
                yield f"training.{part}", inner.description or ""


def _shown(primary: dict[str, Any], key: str) -> str:
    value: Any = primary
    for part in key.split("."):
        value = value[part]
    return "null" if value is None else "…" if value == "???" else str(value)


def _first_comment(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        lines = [line for line in file if not line.startswith("# @package")]
    return lines[0].removeprefix("#").strip() if lines and lines[0].startswith("#") else ""
