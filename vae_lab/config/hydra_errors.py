"""Explains errors of Hydra and OmegaConf in one line, and registers the functions that configs may call."""

import errno
import operator
import re
from collections.abc import Callable

import yaml
from hydra.errors import HydraException, InstantiationException, MissingConfigException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from vae_lab.config.help import commands_with, groups, keys_of, known_keys, listed
from vae_lab.config.names import origin, run_name
from vae_lab.config.shortages import shortage
from vae_lab.config.words import GROUPS_OF_SEVERAL
from vae_lab.errors import RunFailed, UserError, did_you_mean, one_of


def explain(error: Exception, command: str = "train") -> tuple[int, str]:
    """Return the exit status and a message of one line for an exception that ended a command."""
    lacking = shortage(error)
    if isinstance(error, UserError | RunFailed):
        of_a_part = lacking and isinstance(error.__cause__, InstantiationException)  # a part needs too much memory
        return error.exit_status, lacking if lacking and of_a_part else str(error)
    if lacking:
        return RunFailed.exit_status, lacking
    line = explain_hydra(error, command)
    if line:
        return UserError.exit_status, line
    text = " ".join(str(error).split())[:200]
    advice = "this is not an error in your input, please report it; HYDRA_FULL_ERROR=1 shows where it happens"
    return 1, f"{type(error).__name__}: {text} ({advice})"


def register_resolvers() -> None:
    """Register what configs may call: ``run_name``, ``origin``, ``${subtract:a,b}``, ``multiply``, ``divide``."""
    OmegaConf.register_new_resolver("run_name", run_name, replace=True)
    OmegaConf.register_new_resolver("origin", origin, replace=True)
    for name, compute in (("subtract", operator.sub), ("multiply", operator.mul), ("divide", operator.truediv)):
        OmegaConf.register_new_resolver(name, _rounded(name, compute), replace=True)


def _example(key: str, command: str) -> str:
    """What can be typed for a key of a command."""
    from vae_lab.config.schema import SCHEMAS

    field = SCHEMAS[command].model_fields.get(key) if command in SCHEMAS else None
    return str(field.examples[0]) if field is not None and field.examples else "…"


def _rounded(name: str, compute: Callable[[float, float], float]) -> Callable[[float, float], float]:
    """Return a resolver whose result has 12 significant digits, so that 1 − 0.95 is 0.05 in names and results."""

    def resolve(a: float, b: float) -> float:
        try:
            return float(f"{compute(a, b):.12g}")
        except (TypeError, ZeroDivisionError) as why:
            raise UserError(f"${{{name}:{a},{b}}} cannot be computed; both must be numbers") from why

    return resolve


def explain_hydra(error: Exception, command: str = "train") -> str | None:
    """Return a message of one line for an error of Hydra, OmegaConf, YAML or a file; None for any other error."""
    text = " ".join(str(error).split())
    if isinstance(error, MissingConfigException):
        return _missing_option(error, text, command)
    if isinstance(error, OverrideParseException):
        return _not_readable(error.override or "", text)
    if isinstance(error, MissingMandatoryValue):
        key = getattr(error, "full_key", None) or text
        return f"{key} is needed; type {key}={_example(key, command)}"
    several = re.search(r"Ambiguous value for argument '([^=]+)=([^']*)'", text)
    if several:
        key, values = several.groups()
        single = key in groups() and key not in GROUPS_OF_SEVERAL
        as_list = "" if single else f", or '{key}=[{values}]' for a list"
        return f"{key}={values}: several values; type -m for a sweep over them{as_list}"
    removed = re.search(r"Could not delete (?:from config\. )?'([^'=]+)", text)
    if removed:
        return _not_removable(removed.group(1))
    key = _unknown_key(text) if isinstance(error, HydraException | OmegaConfBaseException) else None
    if key and key in known_keys():
        return _of_another_option(key, command)
    if key:
        known = [word for word in known_keys() if command in commands_with(word)]
        return f"{key}: no such key{did_you_mean(key, known)}; vae-lab {command} --help lists all keys"
    if isinstance(error, HydraException | OmegaConfBaseException | yaml.YAMLError):
        return text[:300]
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return f"{error.filename or text}: too long for the name of a file or folder; type a shorter one"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename} cannot be written or read ({error.strerror}); type hydra.run.dir=<a writable folder>"
    return None


def _not_removable(key: str) -> str:
    """Return the message for a word like ``~logger=none`` that removes what is not there."""
    options = groups().get(key, {})
    instead = f"type {key}=none" if "none" in options else f"leave ~{key} out"
    return f"~{key}: there is nothing of this name that can be removed; {instead}"


def _of_another_option(key: str, command: str) -> str:
    """Return the message for a key that exists, but not in this command, or not in the option that was chosen."""
    having = commands_with(key)
    if command not in having:
        others = one_of([f"vae-lab {other}" for other in having])
        return f"{key}: vae-lab {command} has no such key; it belongs to {others}{_other_data(key, command)}"
    group = key.partition(".")[0]
    having = [f"{group}={option}" for option, path in groups().get(group, {}).items() if key in keys_of(group, path)]
    advice = f"it belongs to {one_of(having)}" if having else f"vae-lab {command} --help lists all keys"
    return f"{key}: the chosen {group} has no such key; {advice}"


def _other_data(key: str, command: str) -> str:
    """Return what is possible instead of another dataset for a finished run."""
    if key.partition(".")[0] != "dataset" or command in ("train", "score", "compare", "list"):
        return ""
    return (
        "; a run keeps the dataset that it was trained on (data_dir= says where it lies); to compare its samples with "
        "another one, type vae-lab sample run=… and vae-lab score images=… dataset=…"
    )


def _not_readable(word: str, text: str) -> str:
    key, equals, value = word.partition("=")
    if equals and key and value:
        return f"{word}: Hydra cannot read this value; quote a text with signs, as in \"{key}='a, b'\""
    why = text.split(" See http")[0].split("Exception: ")[-1][:80]
    return f"'{word}' is not of the form key=value ({why})"


def _missing_option(error: MissingConfigException, text: str, command: str) -> str:
    group, _, option = (error.missing_cfg_file or "").partition("/")
    options = groups().get(group)
    if options is None:
        return text[:300]
    found = () if "/" in option else error.options or ()  # includes options of folders in hydra.searchpath
    known = [*options, *(name for name in found if name not in options and not name.startswith("_"))]
    own = "; your own images: image_folder" + (" or arrays" if "arrays" in known else "") if group == "dataset" else ""
    return f"{group}={option}: no such option{did_you_mean(option, known)}; {listed(known, command)}{own}"


def _unknown_key(text: str) -> str | None:
    patterns = (
        r"Could not override '([^']+)'",
        r"Key '([^']+)' is not in struct",
        r"Could not find '([^']+)'",
        r"You must specify '([^']+)'",
    )
    found = next((m for m in (re.search(p, text) for p in patterns) if m), None)
    return found.group(1).lstrip("+") if found else None
