"""Random combinations that are valid or refused before training, composed from the YAML files of ``conf/``."""

import random
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from fuzz.sandbox import ARRAY, IMAGES

from vae_lab.config.help import groups, keys_of

COSTLY = {
    "launcher",
    "search",
    "experiment",
    "accelerator",
    "figures",
    "metrics",
    "logger",
    "dataset",
    "features",
    "sampler",
}
SMALL = {"width": (4, 12), "hidden": (4, 12), "depth": (1, 2), "blocks": (1, 2), "components": (2, 4),
         "pseudo_inputs": (2, 5), "samples": (1, 3), "steps": (2, 5), "epochs": (1, 2), "n": (2, 20),
         "bootstrap": (2, 4)}  # fmt: skip
SIZES = {
    "sprites": ["dataset.source.positions=2", "dataset.source.orientations=2", "dataset.val_share=0.2"],
    "faces": ["dataset.source.images=60", "dataset.source.test_images=20", "dataset.val_share=0.2"],
}
PATHS = {"image_folder": f"dataset.source.path={IMAGES}", "arrays": f"dataset.source.path={ARRAY}"}
SOMETIMES = {"conditional=true": 0.2, "beta=3": 0.2, "training.clip=1.0": 0.1, "training.accumulate=2": 0.1,
             "training.patience=1": 0.05, "dataset.binarize=dynamic": 0.1, "dataset.binarize=static": 0.05,
             "dataset.noise_std=0.3 dataset.noise_share=0.5": 0.1, "precision=bf16": 0.05,
             "dataset.source.labels=factors": 0.05, "scheduler.interval=step": 0.05,
             "initialisation.output_bias=data": 0.1}  # fmt: skip


def lines_of_combination(choose: random.Random) -> list[list[str]]:
    """Return lines to try one after the other: a training, and then commands that use its run in the folder ``new``."""
    lines = [["train", *_training(choose), "hydra.run.dir=new"]]
    if choose.random() < 0.5:
        lines.append(choose.choice((_evaluation, _sampling, _comparison))(choose))
    return lines


def _training(choose: random.Random) -> list[str]:
    # digits is quick; the test sets of others are large, or not at hand, and then refused.
    dataset = "digits" if choose.random() < 0.8 else choose.choice(list(groups()["dataset"]))
    words = [f"dataset={dataset}", *SIZES.get(dataset, ())]
    if dataset in PATHS:
        words.append(PATHS[dataset])
    words += [f"dataset.limit={choose.choice((24, 40))}", "batch_size=8", "epochs=1", f"seed={choose.randrange(5)}",
              f"latent_dim={choose.choice((1, 2, 3, 5))}"]  # fmt: skip
    words.append(f"logger={choose.choice(('none', 'none', 'none', 'tensorboard'))}")
    words += _choices(choose, [group for group in groups() if group not in COSTLY], 0.35)
    words += _metrics(choose) + _figures(choose)
    for typed, share in SOMETIMES.items():
        words += typed.split(" ") if choose.random() < share else []
    return words


def _choices(choose: random.Random, names: list[str], share: float) -> list[str]:
    """Return an option of some groups, with small sizes and some other numbers of it."""
    words = []
    for group in names:
        changed = choose.random() < share or group == "model"
        if changed:
            option = choose.choice(list(groups()[group]))
            words += [f"{group}={option}", *_numbers(choose, group, option)]
    return words


def _numbers(choose: random.Random, group: str, option: str) -> list[str]:
    """Return small sizes for an option, and sometimes twice or half of another number of it."""
    words = []
    for key, value in leaves(group, option).items():
        name = key.rpartition(".")[2]
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if name in SMALL:
            words.append(f"{key}={choose.randint(*SMALL[name])}")
        elif choose.random() < 0.15:
            doubled = value * choose.choice((0.5, 2))
            words.append(f"{key}={max(1, round(doubled)) if isinstance(value, int) else doubled}")
    return words


@cache
def leaves(group: str, option: str) -> dict[str, Any]:
    """Return the keys of an option, as they are typed, with the values that stand in its own YAML file."""
    path = groups()[group][option]
    return {key: value for key in keys_of(group, path) if (value := _value(group, path, key)) is not None}


def _value(group: str, path: Path, key: str) -> Any:
    node = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not path.read_text(encoding="utf-8").startswith("# @package _global_"):
        key = key.removeprefix(f"{group}.")
    for part in key.split("."):
        node = node.get(part) if isinstance(node, dict) else None
    return None if isinstance(node, dict | list) else node


def _metrics(choose: random.Random) -> list[str]:
    if choose.random() < 0.3:
        return ["metrics=none"]
    names = choose.sample(sorted(groups()["metrics"]), choose.choice((1, 1, 2)))
    several = [name for name in names if name != "none"] or ["fast"]
    words = [f"metrics=[{','.join(several)}]"] if len(several) > 1 else [f"metrics={several[0]}"]
    for name in several:
        words += _numbers(choose, "metrics", name)
    return words


def _figures(choose: random.Random) -> list[str]:
    return [f"figures={choose.choice(['none', 'none', 'default', *groups()['figures']])}"]


def _evaluation(choose: random.Random) -> list[str]:
    sampler = choose.choice(["prior", *groups()["sampler"]])
    return ["evaluate", "run=new", f"sampler={sampler}", *_numbers(choose, "sampler", sampler), *_metrics(choose),
            *_figures(choose)]  # fmt: skip


def _sampling(choose: random.Random) -> list[str]:
    words = ["sample", "run=new", f"n={choose.choice((1, 7))}", f"seed={choose.randrange(3)}"]
    sampler = choose.choice(["prior", *groups()["sampler"]])
    words += [f"sampler={sampler}", *_numbers(choose, "sampler", sampler)]
    return words + choose.choice(([], ["y=1"], ["y=[0,1]"], ["dir=single"], ["out=new/out"]))


def _comparison(choose: random.Random) -> list[str]:
    return ["compare", "new", "run", *choose.choice(([], ["out=page"], ["grids=1"], ["show=[loss]"]))]
