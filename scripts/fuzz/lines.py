"""Command lines that are wrong: valid ones of every command, with one to three random mistakes."""

import random
from collections.abc import Callable
from functools import cache

from fuzz.sandbox import ARRAY, CODES, IMAGES, ODD, RUN, STOPPED, SWEEP, TINY

from vae_lab.config.help import commands_with, groups, known_keys

BARE = ["metrics=none", "figures=none"]
VALUES = [
    "", "x", "5", "-1", "0", "-0", "1.5", "1e3", "nan", "inf", "-inf", "1e400", "1e-400", "9" * 40, "0x10", "1_000",
    "true", "null", "None", "???", "[]", "{}", "[1,2]", "[[],{}]", "[null]", "{a:1}", "{a:{b:c}}", "{_target_:x.y}",
    "{_target_:builtins.print}", "{_target_:os.getcwd}", "{_target_:torch.nn.Linear}", "a,b", "1,2,3", "choice(1,2)",
    "range(1,3)", "range(3)", "interval(0,1)", "glob(*)", "glob(x*)", "sort(3,1)", "shuffle(1,2)", "int(3.5)",
    "str(5)", "float(2)", "tag(a,1)", "foo(1)", "extend_list(3)", "'", '"', "'a b'", '"a', "a b", "[", "]", "{", "}",
    "(", ")", "[a", "a]", "a=b", "=", ",", ":", "a:b", "\\", "\\'", "$", "${beta}", "${nope}", "${model}", "${",
    "${oc.env:HOME}", "${oc.env:NOPE}", "${run_name:a}", "${divide:1,0}", "${now:%Y}", "${hydra:job.name}",
    "${multiply:a,b}", "é", "β", "日本", "🙂", "\u202e", "\ud7ff", "\x01", "\x7f", "\t", "\n", "a\nb", " ", "#", "@",
    "~", "!", "%s", "%", "*", "?", "../x", "/nope/x", ".", "..", "/", "~/x", "file", RUN, IMAGES, ARRAY, CODES, STOPPED,
    SWEEP, ODD, f"'{ODD}'", "x" * 300, "[" * 60, "y" * 5000,
]  # fmt: skip
FLAGS = [
    "--cfg", "-c", "--cfg job", "--cfg=job", "--cfg hydra", "--cfg all", "--cfg x", "--resolve",
    "--cfg job --resolve", "-p", "--package", "--package model", "--package nope", "--cfg job --package model",
    "--cfg job -p nope", "-r", "--run", "--multirun", "-m", "-m -m", "--shell-completion", "-sc", "-sc install=bash",
    "--config-path", "-cp", "--config-path x", "--config-path=/nope", "--config-name", "-cn", "--config-name x",
    "--config-name evaluate", "--config-dir", "-cd", "--config-dir nope", "--config-dir images",
    "--experimental-rerun", "--experimental-rerun x", "--info", "-i", "--info all", "--info config",
    "--info defaults", "--info defaults-tree", "--info plugins", "--info searchpath", "--info x", "--hydra-help",
    "--version", "--help", "-h", "--help x", "--", "-", "--foo", "--foo=1", "-x", "-1", "--model=cnn", "-beta=4",
    "--cfgs", "--mult", "--he",
]  # fmt: skip
HYDRA = [
    "hydra.run.dir=x", "hydra.run.dir=", "hydra.run.dir=file/x", "hydra.run.dir=null", "hydra.run.dir=[1]",
    "hydra.run.dir=5", "hydra.sweep.dir=x", "hydra.sweep.dir=", "hydra.sweep.dir=null", "hydra.sweep.subdir=x",
    "hydra.output_subdir=x", "+hydra.output_subdir=x", "++hydra.output_subdir=x", "hydra.output_subdir=5",
    "hydra.job.name=x", "hydra.job.chdir=true", "hydra.job.num=x", "hydra.job.env_set.A=b", "+hydra.job.env_set.A=b",
    "hydra.verbose=true", "hydra.verbose=x", "hydra.mode=MULTIRUN", "hydra.mode=RUN", "hydra.mode=x",
    "hydra.searchpath=[nope]", "hydra.searchpath=[file://images]", "hydra.searchpath=x",
    "hydra.searchpath=[pkg://nope]", "hydra.searchpath=null", "hydra/launcher=basic", "hydra/launcher=x",
    "hydra/sweeper=x", "hydra/job_logging=default", "hydra/job_logging=none", "hydra/hydra_logging=disabled",
    "hydra/env=x", "hydra/output=x", "hydra.sweeper.max_batch_size=1", "hydra.sweeper.params.beta=1",
    "+hydra.sweeper.params.beta=1", "hydra.launcher=x", "hydra=x", "hydra=null", "~hydra", "~hydra.run",
    "~hydra.run.dir", "+hydra=x", "+hydra.foo=1", "hydra.foo=1", "hydra.runtime.cwd=x", "hydra.runtime.output_dir=x",
    "hydra.help.template=x", "hydra.callbacks=x", "+hydra.callbacks.a._target_=builtins.print", "hydra.job_logging=x",
    "hydra.overrides.task=[a]", "hydra.overrides=x",
]  # fmt: skip
NODES = ["_target_", "_partial_", "_args_", "_recursive_", "_convert_", "__class__", "_", "a", "0"]
SWEPT = [
    "beta=1,2", "latent_dim=1,2", "seed=range(2)", "model=dense,cnn", "model=glob(d*)", "lr=interval(1e-4,1e-3)",
    "epochs=1,x", "objective=elbo,ae", "beta=choice(1)", "sweep=mine", "sweep=", "sweep=a/b", "sweep=..",
    "vary={beta:[1,2]}", "vary={a:1}", "vary=5", "launcher=joblib", "launcher=joblib launcher.jobs=0",
    "launcher.jobs=2", "launcher=slurm", "launcher=vectorized", "search=optuna", "search=optuna search.trials=1",
    "search.trials=0", "dry_run=x", "-m",
]  # fmt: skip

Mistake = Callable[[random.Random, str, list[str]], list[str]]


def wrong_line(choose: random.Random) -> list[str]:
    """Return the words of a line, with the command first, that has probably at least one mistake."""
    command = choose.choice(list(VALID))
    words = [*choose.choice(VALID[command])]
    for _ in range(choose.choice((1, 1, 1, 2, 3))):
        words = choose.choice(MISTAKES)(choose, command, words)
    typed = command if choose.random() > 0.01 else _misspelt(choose, command)
    return [typed.removesuffix("-sweep"), *(word.replace("\0", "") for word in words)]


def _valid() -> dict[str, list[list[str]]]:
    train = [*TINY, *BARE]
    sweep = [*TINY, *BARE, "-m"]
    return {
        "train": [train, [*train, "beta=2"], [*train, "objective=ae"], [*train, "hydra.run.dir=new"],
                  [f"resume={STOPPED}"], [*TINY, "metrics=loss_terms", "figures=curves"]],
        "train-sweep": [[*sweep, "beta=1,2", "dry_run=true"], [*sweep, "beta=1", "sweep=mine"],
                        [*train, "dry_run=true"], [*train, "experiment=family/vae", "dry_run=true"]],
        "evaluate": [[f"run={RUN}", *BARE], [f"run={RUN}", "metrics=loss_terms", "figures=none"],
                     [f"run={ODD}", *BARE]],
        "sample": [[f"run={RUN}", "n=2"], [f"run={RUN}", "n=2", "out=new", "dir=single"], [f"run='{ODD}'", "n=2"]],
        "encode": [[f"run={RUN}", f"images={ARRAY}"], [f"run={RUN}", f"images={IMAGES}", "to=new.npy"]],
        "decode": [[f"run={RUN}", f"codes={CODES}"], [f"run={ODD}", f"codes={CODES}", "to=new.npy"]],
        "reconstruct": [[f"run={RUN}", f"images={IMAGES}"], [f"run={ODD}", "images=test", "to=new.npy"]],
        "interpolate": [[f"run={RUN}", "a=0", "b=1"], [f"run={RUN}", "a=2", "b=3", "steps=4", "line=spherical"]],
        "figures": [[f"run={RUN}", "figures=samples"], [f"run={ODD}", "figures=curves", "figures.style.format=pdf"]],
        "score": [[f"images={ARRAY}", "dataset=digits", "logger=none", "metrics=none", "figures=none"],
                  [f"images={IMAGES}", "dataset=digits", "logger=none", "metrics=label_distribution", "figures=none"]],
        "compare": [[RUN], [SWEEP, "grids=0"], [RUN, STOPPED, "out=new"], ["show=[loss]", RUN], [ODD]],
    }  # fmt: skip


VALID = _valid()


@cache
def _keys(command: str) -> list[str]:
    return [key for key in known_keys() if command.removesuffix("-sweep") in commands_with(key)]


def _key(choose: random.Random, command: str) -> str:
    return choose.choice(_keys(command)) if choose.random() > 0.1 else choose.choice(known_keys())


def _misspelt(choose: random.Random, text: str) -> str:
    if not text:
        return "x"
    place = choose.randrange(len(text))
    letter = choose.choice("abcxyz_.-=/ ,'[]{}~+@$:\"0")
    kind = choose.randrange(4)
    swapped = text[:place] + text[place + 1 : place + 2] + text[place] + text[place + 2 :]
    return (text[:place] + text[place + 1 :], text[:place] + letter + text[place:], swapped,
            text[:place] + letter + text[place + 1 :])[kind]  # fmt: skip


def _typo(choose: random.Random, command: str, words: list[str]) -> list[str]:
    place = choose.randrange(len(words)) if words else 0
    return [*words[:place], *(_misspelt(choose, word) for word in words[place : place + 1]), *words[place + 1 :]]


def _other_value(choose: random.Random, command: str, words: list[str]) -> list[str]:
    place = choose.randrange(len(words)) if words else 0
    value = choose.choice(VALUES)
    changed = [f"{word.partition('=')[0]}={value}" for word in words[place : place + 1]]
    return [*words[:place], *changed, *words[place + 1 :]]


def _set_key(choose: random.Random, command: str, words: list[str]) -> list[str]:
    return [*words, f"{_key(choose, command)}={choose.choice(VALUES)}"]


def _option(choose: random.Random, command: str, words: list[str]) -> list[str]:
    group = choose.choice(list(groups()))
    option = choose.choice(list(groups()[group]))
    return [*words, f"{group}={option if choose.random() > 0.5 else _misspelt(choose, option)}"]


def _added(choose: random.Random, command: str, words: list[str]) -> list[str]:
    key = choose.choice((_key(choose, command), "foo", "foo.bar", f"{_key(choose, command)}.foo", "model.net.foo"))
    return [*words, f"{choose.choice(('+', '++', '+++', '-'))}{key}={choose.choice(VALUES)}"]


def _deleted(choose: random.Random, command: str, words: list[str]) -> list[str]:
    word = choose.choice(
        [_key(choose, command), *words, "model.net", "model._target_", "dataset.source", "logger", "foo"]
    )
    return [*words, f"~{word}"]


def _node(choose: random.Random, command: str, words: list[str]) -> list[str]:
    key = f"{_key(choose, command)}.{choose.choice(NODES)}"
    return [*words, f"{choose.choice(('', '+', '++', '~'))}{key}={choose.choice(VALUES)}"]


def _package(choose: random.Random, command: str, words: list[str]) -> list[str]:
    group = choose.choice(list(groups()))
    option = choose.choice(list(groups()[group]))
    word = choose.choice((f"{group}@foo={option}", f"/{group}={option}", f"{group}/{option}=x", f"{group}@={option}",
                          f"{group}@_global_={option}", f"+{group}@model={option}", f"{group}=[{option}]",
                          f"{group}={option},{option}", f"{group}={option}.yaml", f"{group}=../{group}/{option}",
                          f"+{group}={option}"))  # fmt: skip
    return [*words, word]


def _from(listed: list[str]) -> Mistake:
    def add(choose: random.Random, command: str, words: list[str]) -> list[str]:
        return [*words, *choose.choice(listed).split(" ")]

    return add


def _flag_alone(choose: random.Random, command: str, words: list[str]) -> list[str]:
    return choose.choice(FLAGS).split(" ")


def _no_value(choose: random.Random, command: str, words: list[str]) -> list[str]:
    return [*words, choose.choice((f"{_key(choose, command)}=", _key(choose, command), "=", "=5", "+", "~", ""))]


def _dropped(choose: random.Random, command: str, words: list[str]) -> list[str]:
    place = choose.randrange(len(words)) if words else 0
    return [*words[:place], *words[place + 1 :]]


def _twice(choose: random.Random, command: str, words: list[str]) -> list[str]:
    return [*words, *choose.choices(words, k=1)] if words else words


def _shuffled(choose: random.Random, command: str, words: list[str]) -> list[str]:
    return choose.sample(words, len(words))


MISTAKES: list[Mistake] = [
    _typo, _other_value, _other_value, _set_key, _set_key, _set_key, _option, _added, _deleted, _node, _package,
    _from(FLAGS), _flag_alone, _from(HYDRA), _from(SWEPT), _no_value, _dropped, _twice, _shuffled,
]  # fmt: skip
