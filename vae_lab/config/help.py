"""The help texts. They are read from the configs, so that a new YAML file appears in them automatically."""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from vae_lab.config.conf import CONF
from vae_lab.config.node import Node, shown

_OVERVIEW = """vae-lab: compose, train, score and visualise variational autoencoders

  vae-lab train model=cnn beta=4                        one run: train it, score it, draw its figures
  vae-lab train -m latent_dim=2,16 beta=1,4             a sweep: every combination, then a page that compares the runs
  vae-lab train experiment=report/latent_dim            a predefined experiment; dry_run=true lists its jobs
  vae-lab train dataset=digits                          a dataset that needs no download
  vae-lab train resume=outputs/<date>/<run>             resume an interrupted run
  vae-lab train from=outputs/<date>/<run> epochs=40     train a finished run for more epochs, in a new folder
  vae-lab evaluate run=outputs/<date>/<run>             score a finished run again
  vae-lab sample run=outputs/<date>/<run> n=1024        generate images and write them
  vae-lab encode run=… images=<folder> to=codes.csv     codes of images, with their variances and KL
  vae-lab decode run=… codes=codes.csv                  images of codes
  vae-lab reconstruct run=… images=<folder>             reconstructions beside the images, with their errors
  vae-lab interpolate run=… a=<image> b=<image>         the images between two images
  vae-lab detect run=outputs/<date>/<run> images=<folder>   find anomalies among images
  vae-lab figures run=outputs/<date>/<run>              draw the figures of a run again, e.g. as PDF files
  vae-lab explore run=outputs/<date>/<run>              a page in which its latent space is walked through
  vae-lab score images=<folder or .npy> dataset=mnist   score images from any source
  vae-lab compare outputs/sweeps/<sweep>                compare runs: a table, a CSV file, one HTML page
  vae-lab list                                          all runs: state, settings that differ, scores

  vae-lab <command> --help     options and settings of a command
  vae-lab --version
  eval "$(vae-lab -sc install=bash)"                    tab completion"""

_EXAMPLES = {
    "train": ["model=cnn beta=4", "model=dense latent_dim=2 epochs=50", "-m latent_dim=1,4,16,128 beta=1,4"],
    "evaluate": ["run=outputs/<date>/<run>", "run=outputs/<date>/<run> metrics=fid figures=none",
                 "run=outputs/<date>/<run> sampler=gmm sampler.components=50"],
    "score": ["images=my_images dataset=mnist", "images=samples.npy features=inception metrics=[fid,kid]"],
    "explore": ["run=outputs/<date>/<run> open=true", "run=outputs/<date>/<run> out=mnist.html points=2000"],
    "compare": ["outputs/sweeps/<sweep>", "outputs/<date> 'outputs/*/*beta*' show=[fid,elbo] open=true"],
    "figures": ["run=outputs/<date>/<run> figures=[samples,curves]",
                "run=outputs/<date>/<run> figures.style.format=pdf figures.style.title=false figures.style.width=3.3"],
    "list": ["", "outputs/<date> 'outputs/*/*beta*' show=[val/elbo,fid]"],
    "detect": ["run=outputs/<date>/<run> images=my_images false_alarms=0.01",
               "run=outputs/<date>/<run> images=my_images.npy scores=[elbo,latent_path] out=found",
               "run=outputs/<date>/<run> against=outputs/<date>/<run of another dataset> scores=all n=2000"],
    "sample": ["run=outputs/<date>/<run> n=1024", "run=outputs/<date>/<run> n=16 dir=my_images",
               "run=outputs/<date>/<run> sampler=gmm"],
    "encode": ["run=outputs/<date>/<run> images=my_images to=codes.csv",
               "run=outputs/<date>/<run> images=test to=codes.parquet"],
    "decode": ["run=outputs/<date>/<run> codes=codes.csv",
               "run=outputs/<date>/<run> codes=codes.npy y=7 to=images.npy"],
    "reconstruct": ["run=outputs/<date>/<run> images=my_images", "run=outputs/<date>/<run> images=test"],
    "interpolate": ["run=outputs/<date>/<run> a=first.png b=second.png steps=12",
                    "run=outputs/<date>/<run> a=0 b=1 line=spherical"],
}  # fmt: skip


_STYLE = "figures/_style"  # the settings of every command that draws


def overview() -> str:
    """Return the text of ``vae-lab --help``."""
    return _OVERVIEW


def command_help(command: str, folders: Sequence[Path] = ()) -> str:
    """Return the text of ``vae-lab <command> --help``: examples, groups with their options, and settings.

    Args:
        command: the command.
        folders: folders of ``hydra.searchpath``, whose options are listed, too.
    """
    import yaml

    primary = yaml.safe_load((CONF / f"{command}.yaml").read_text(encoding="utf-8"))
    lines = [f"{_first_comment(CONF / f'{command}.yaml')}.", ""]
    lines += [f"  vae-lab {command} {example}" for example in _EXAMPLES[command]]
    if dict(_defaults(primary)):
        lines += ["", "Groups (group=option chooses an option; group.key=value changes a setting of it)"]
    for group, default in _defaults(primary):
        lines.append(f"\n  {group}" + (f" (default: {default})" if default else ""))
        found = options(group)
        if command == "score" and "images" in found:  # the other metrics need a trained model
            images = yaml.safe_load(found["images"].read_text(encoding="utf-8"))["defaults"]
            found = {option: path for option, path in found.items() if option in (*images, "images", "none")}
        for folder in folders:
            found |= options(group, folder)
        lines += [f"    {option:<26}{_first_comment(path)}" for option, path in found.items()]
    lines += ["", "Settings (key=value)", ""]
    lines += [f"  {key + '=' + _shown(primary, key):<28}{text}" for key, text in _fields(command)]
    if _STYLE in primary["defaults"]:
        lines += [f"  {key + '=' + value:<28}{text}" for key, value, text in _style_settings()]
    lines += [
        "",
        "Hydra: --cfg job shows the composed config, -m starts a sweep, hydra.run.dir=… sets the run folder;",
        "       https://hydra.cc describes the grammar of overrides.",
    ]
    return "\n".join(lines)


@cache
def groups() -> dict[str, dict[str, Path]]:
    """Return the file of every option of every group: group -> option -> path."""
    folders = sorted(p.name for p in CONF.iterdir() if p.is_dir() and not p.name.startswith("_"))
    return {group: options(group) for group in folders}


def options(group: str, folder: Path = CONF) -> dict[str, Path]:
    """Return the options of a group with their files. Files whose name begins with _ are parts of other options."""
    files = sorted((folder / group).rglob("*.yaml"))
    return {str(p.relative_to(folder / group).with_suffix("")): p for p in files if not p.name.startswith("_")}


def listed(names: Sequence[str], command: str, most: int = 24) -> str:
    """Return the options that a message names; of many, how to list them.

    >>> listed(["adam", "sgd"], "train")
    'options: adam, sgd'
    """
    if len(names) <= most:
        return f"options: {', '.join(names)}"
    return f"vae-lab {command} --help lists its {len(names)} options"


def known_keys() -> list[str]:
    """Return everything that may stand before ``=``: groups, settings and the keys of every option."""
    import yaml

    keys = set(groups())
    for path in CONF.glob("*.yaml"):
        keys |= set(_dotted(yaml.safe_load(path.read_text(encoding="utf-8"))))
    for group, files in groups().items():
        for path in files.values():
            keys |= keys_of(group, path)
    keys |= {key for key, _, _ in _style_settings()}
    return sorted(keys - {"defaults", "hydra"})


@cache
def top_keys(command: str) -> frozenset[str]:
    """Return the groups and the settings of a command: what may stand before the first ``.`` or ``=`` of a word."""
    import yaml

    primary = yaml.safe_load((CONF / f"{command}.yaml").read_text(encoding="utf-8"))
    parts = {entry.partition("/")[0] for entry in primary["defaults"] if isinstance(entry, str)}
    return frozenset({*primary, *(group for group, _ in _defaults(primary)), *parts} - {"defaults", "_self_"})


def commands_with(key: str) -> list[str]:
    """Return the commands that have the group or the setting of a key."""
    return [command for command in _EXAMPLES if key.partition(".")[0] in top_keys(command)]


def keys_of(group: str, path: Path) -> set[str]:
    """Return the dotted keys of one option as the user types them.

    They begin with the group's name, unless the YAML file is merged into the root of the config.
    """
    import yaml

    text = path.read_text(encoding="utf-8")
    prefix = "" if text.startswith("# @package _global_") else f"{group}."
    return {f"{prefix}{key}" for key in _dotted(yaml.safe_load(text))}


def _dotted(node: object, path: str = "") -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key not in ("defaults", "hydra") and not str(key).startswith("_"):
                yield f"{path}{key}"
                yield from _dotted(value, f"{path}{key}.")


def _defaults(primary: Node) -> Iterator[tuple[str, str | None]]:
    for entry in primary["defaults"]:
        if isinstance(entry, dict):
            ((group, option),) = entry.items()
            if not group.startswith("override"):
                yield group, option


def _fields(command: str) -> Iterator[tuple[str, str]]:
    from vae_lab.config.schema import SCHEMAS
    from vae_lab.config.settings import SweepConfig, Training

    fields = dict(SCHEMAS[command].model_fields)
    if command == "train":
        fields |= SweepConfig.model_fields
    for name, field in fields.items():
        if field.description:
            yield name, field.description
        elif name == "training":
            for part, inner in Training.model_fields.items():
                yield f"training.{part}", inner.description or ""


def _style_settings() -> Iterator[tuple[str, str, str]]:
    """The key, the default and the description of every setting of ``figures.style``."""
    lines = (CONF / f"{_STYLE}.yaml").read_text(encoding="utf-8").splitlines()
    for setting, _, text in (line.partition("#") for line in lines if line[0] not in "#_"):
        key, _, value = setting.partition(":")
        yield f"figures.style.{key}", value.strip(), text.strip()


def _shown(primary: Node, key: str) -> str:
    value = primary
    for part in key.split("."):
        value = value[part]
    return "…" if value == "???" else shown(value)


def _first_comment(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        lines = [line for line in file if not line.startswith("# @package")]
    return lines[0].removeprefix("#").strip() if lines and lines[0].startswith("#") else ""
