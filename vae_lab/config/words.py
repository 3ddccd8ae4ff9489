"""The words of a command line after the command: Hydra's options and overrides, as Hydra can read them.

Everything that Hydra would answer with a page of usage, a warning or an error of its own is refused here in one line,
before Hydra creates a folder.
"""

import re
from importlib.util import find_spec
from pathlib import Path

from vae_lab.config.conf import CONF
from vae_lab.config.help import groups, listed
from vae_lab.config.names import fitting
from vae_lab.config.paths import exists, expanded
from vae_lab.errors import UserError, did_you_mean

SWEEP_KEYS = ("launcher", "search", "vary", "sweep", "dry_run")  # keys of conf/train.yaml that only sweeps have
_SHORT = {"-c": "--cfg", "-i": "--info", "-p": "--package", "-m": "--multirun", "-cd": "--config-dir",
          "-cn": "--config-name"}  # fmt: skip
_VALUES = {"--cfg": ("job", "hydra", "all"), "--info": ("all", "config", "defaults", "defaults-tree", "searchpath")}
_TEXTS = ("--package", "--config-dir", "--config-name")  # options with any text as their value
_OPTIONS = (*_VALUES, *_TEXTS, "--resolve", "--multirun")
PATHS = ("run", "images", "codes", "a", "b", "to", "out", "dir", "data_dir", "resume", "from", "continues", "init",
         "dataset.source.path", "hydra.run.dir", "hydra.sweep.dir")  # fmt: skip
OF_HYDRA = ("hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir", "hydra.searchpath")
_INSTEAD = {"hydra/launcher": "launcher=joblib", "hydra/sweeper": "search=optuna", "hydra.launcher": "launcher.jobs=…",
            "hydra.mode": "-m for a sweep", "hydra.output_subdir": "hydra.run.dir=<folder>"}  # fmt: skip


def divided(words: list[str]) -> tuple[list[str], list[str]]:
    """Divide words into options of Hydra, in the form ``--cfg=job``, and overrides.

    Hydra reads overrides only up to its first option, and takes a word after ``--info`` for its value.

    Raises:
        UserError: an option is unknown or lacks its value, or options contradict each other.
    """
    options: dict[str, str | None] = {}
    overrides: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            overrides.append(word)
            continue
        name, _, value = word.partition("=")
        name = _SHORT.get(name, name)
        if name not in _OPTIONS:
            raise UserError(f"{word}: no such option{did_you_mean(name, _OPTIONS)}; options: {', '.join(_OPTIONS)}")
        if name in (*_TEXTS, *_VALUES):
            options[name] = value or _taken(name, rest)
        else:
            options[name] = None
    _refuse_contradictions(options)
    return [name if value is None else f"{name}={value}" for name, value in options.items()], overrides


def _taken(name: str, rest: list[str]) -> str:
    """Take the value of an option from the words that follow it."""
    known = _VALUES.get(name)
    if rest and (rest[0] in known if known else "=" not in rest[0] and rest[0][:1] not in "-+~"):
        return rest.pop(0)
    if name == "--info":
        return "all"
    raise UserError(f"{name} needs a value; type {name} {'|'.join(known or ['<name>'])}")


def _refuse_contradictions(options: dict[str, str | None]) -> None:
    for name, known in _VALUES.items():
        if name in options and options[name] not in known:
            raise UserError(f"{name} {options[name]}: must be one of {', '.join(known)}")
    for name in ("--resolve", "--package"):
        if name in options and "--cfg" not in options:
            raise UserError(f"{name} belongs to --cfg; type --cfg job {name}{' <name>' if name == '--package' else ''}")
    folder = options.get("--config-dir")
    if folder is not None and not (exists(folder) and Path(folder).is_dir()):
        raise UserError(f"--config-dir {folder}: there is no such folder; type --config-dir <folder of a config.yaml>")
    several = [name for name in ("--cfg", "--info", "--multirun") if name in options]
    if len(several) > 1:
        raise UserError(f"{' and '.join(several)} exclude each other; type only one of them")


def begun_from(options: list[str], words: list[str]) -> tuple[list[str], list[str]]:
    """Return options and overrides in which ``from=<run>`` stands for the config of that run, which it continues.

    Raises:
        UserError: several runs are typed, no run, or an option that contradicts ``from=``.
    """
    typed = [word for word in words if word.startswith("from=")]
    if not typed:
        return options, words
    folder = unquoted(typed[0].removeprefix("from=").rstrip("/"))
    if len(typed) > 1 or not folder:
        raise UserError("from= continues one run in a new folder; type from=outputs/<date>/<run> epochs=<more>")
    contrary = [option for option in options if option.startswith(("--config", "--multirun"))]
    if contrary:
        raise UserError(f"{contrary[0]}: from= continues one run with its own config; leave {contrary[0]} out")
    path = expanded(folder)
    if not exists(path / "config.yaml"):
        raise UserError(f"{typed[0]}: no run folder (no config.yaml in it); type from=outputs/<date>/<run>")
    own = [f"--config-dir={path}", "--config-name=config"]
    others = [word for word in words if word not in typed]
    return [*options, *own], [*others, f"continues={quote(str(path.absolute()))}"]


def with_defaults_of_dataset(options: list[str], words: list[str]) -> list[str]:
    """Return words with the defaults of a dataset for which those of the program do not learn.

    The squared error is a Gaussian with σ² = ½ for every pixel. The 8×8 digits vary by less than that in nearly all
    directions, so that the posterior collapses; a learned σ becomes as small as the reconstructions are exact. An epoch
    of the digits has 11 steps, so that 20 epochs end long before the loss has settled. What is typed, or chosen by an
    experiment, is kept.
    """
    keys = {word.partition("=")[0] for word in words}
    saved = any(option.startswith("--config") for option in options)
    if "dataset=digits" not in words or saved:
        return words
    more = []
    if not keys & {"epochs", "experiment"}:
        more.append("epochs=100")
    if not keys & {"likelihood", "dataset.binarize"} and not _experiments_choose(words, "likelihood", "binarize"):
        more.append("likelihood=sigma")
    return [*words, *more]


def _experiments_choose(words: list[str], *keys: str) -> bool:
    """Whether the file of a typed experiment names one of the keys; files that build on others are assumed to do so."""
    names = [unquoted(word.partition("=")[2]) for word in words if word.partition("=")[0] == "experiment"]
    files = [CONF / "experiment" / f"{name}.yaml" for name in names]
    texts = [file.read_text(encoding="utf-8") if file.is_file() else "defaults: [" for file in files]
    return any(word in text for text in texts for word in (*keys, "defaults: ["))


def quoted(words: list[str], several: bool = False) -> list[str]:
    """Return words in which values that are paths are quoted where Hydra would parse their signs, and cut if too long.

    Args:
        words: overrides.
        several: whether the command is a sweep, in which ``run=a,b`` are two paths unless ``a,b`` exists.
    """
    return [_quoted(word, several) for word in words]


def _quoted(word: str, several: bool) -> str:
    key, equals, value = word.partition("=")
    is_pattern = several and ("," in value or "(" in value)
    path = key.lstrip("+") in PATHS and not is_pattern and not value.startswith("${")
    typed = Path(unquoted(value))
    if path and fitting(typed) != typed:
        return f"{key}={quote(str(fitting(typed)))}"
    plain = not equals or re.fullmatch(r"[\w./+-]*", value, re.ASCII)
    if plain or key[:1] in "-~" or (len(value) > 1 and value[0] == value[-1] and value[0] in "'\""):
        return word
    if path and value[0] == "~" and not exists(value):
        value = str(expanded(value))
    return f"{key}={quote(value)}" if path or exists(value) else word


def quote(text: str) -> str:
    """Return a text as a quoted value of an override, which Hydra reads as this very text.

    >>> print(quote("it's"))
    'it\\'s'
    """
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", text)
    escaped = re.sub(r"(\\+)$", r"\1\1", escaped)
    return "'" + escaped.replace("${", r"\${") + "'"


def unquoted(text: str) -> str:
    """Return a typed path without the quotes around it, if it has some and is not itself the name of a file."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" and not exists(text):
        return text[1:-1]
    return text


def refuse_unreadable(words: list[str]) -> None:
    """Refuse overrides that Hydra cannot compose for reasons that only the words themselves show.

    Raises:
        UserError: a word has signs that are no text, is for Hydra itself, or gives a group something else than a name.
        OverrideParseException: a word is not of the form key=value.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import Glob

    parser = OverridesParser.create()
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError as why:
            raise UserError(
                f"{word!a} is not text in this terminal's encoding; type LC_ALL=C.UTF-8 before the command"
            ) from why
        (override,) = parser.parse_overrides([word])
        key = override.key_or_group
        if not key:
            raise UserError(f"'{word}' is not of the form key=value: it has no key")
        if re.split(r"[./@]", key)[0] == "hydra":
            _refuse_other_settings_of_hydra(word, key)
        elif key in groups() and not override.is_delete() and not isinstance(override.value(), Glob):
            values = list(override.sweep_iterator()) if override.is_sweep_override() else [override.value()]
            for value in values:
                _refuse_no_name(key, value)


GROUPS_OF_SEVERAL = ("metrics", "figures", "scores", "experiment")  # a run may have several options of these


def _refuse_other_settings_of_hydra(word: str, key: str) -> None:
    if key not in OF_HYDRA or word[0] in "+~":
        instead = _INSTEAD.get(key)
        advice = f"type {instead}" if instead else f"only {', '.join(OF_HYDRA)} may be set"
        raise UserError(f"{word}: a setting of Hydra that has no use here; {advice}")
    value = word.partition("=")[2]
    if key == "hydra.searchpath":
        for folder in search_folders([word]):
            if not folder.is_dir():
                raise UserError(f"{word}: there is no folder {folder}; type hydra.searchpath=[<folder>]")
    elif not value or value in ("null", "''") or value[0] in "[{":
        raise UserError(f"{word}: must be the name of a folder")


def _refuse_no_name(group: str, value: object) -> None:
    names = value if isinstance(value, list) else [value]
    if len(names) > 1 and group not in GROUPS_OF_SEVERAL:  # Hydra would merge the options, and the last would win
        typed = ",".join(str(getattr(name, "text", name)) for name in names)
        raise UserError(f"{group}=[{typed}]: a run has one {group}; type -m {group}={typed} for a sweep over them")
    for name in names:
        text = getattr(name, "text", name)  # of a quoted string
        if not (isinstance(text, str) or (text is None and value is None)):
            known = list(groups()[group])
            shown = "null" if text is None else text
            raise UserError(f"{group}={shown}: must be the name of an option; {listed(known, 'train')}")


def search_folders(words: list[str]) -> list[Path]:
    """Return the folders that ``hydra.searchpath=[…]`` names, of which those in packages (``pkg://``) are found."""
    folders: list[Path] = []
    for word in words:
        key, _, value = word.partition("=")
        if key == "hydra.searchpath":
            entries = [entry.strip().strip("'\"") for entry in value.strip("[]").split(",")]
            folders += [_search_folder(entry) for entry in entries if entry and entry != "null"]
    return folders


def _search_folder(entry: str) -> Path:
    if not entry.startswith("pkg://"):
        return Path(entry.removeprefix("file://"))
    package = entry.removeprefix("pkg://").replace("/", ".")
    try:
        found = find_spec(package)
    except (ImportError, ValueError, AttributeError):
        found = None
    places = list(found.submodule_search_locations or ()) if found else []
    return Path(places[0]) if places else Path(entry)
