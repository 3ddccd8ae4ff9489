"""Composes configs with Hydra from the words of a command line, for one run and for every job of a sweep."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, IntervalSweep, Override, RangeSweep
from omegaconf import DictConfig, OmegaConf, open_dict

from vae_lab.config.conf import CONF
from vae_lab.config.help import groups
from vae_lab.config.hydra_errors import explain_hydra, register_resolvers
from vae_lab.config.node import Node
from vae_lab.config.paths import exists, expanded
from vae_lab.config.references import NotPlain, resolved, with_values
from vae_lab.config.varied import Varied
from vae_lab.config.weights import WEIGHTS, has_kl_weight, refuse_unread_schedule, resolve_weights, settle_weights
from vae_lab.errors import UserError


def with_absolute_paths(config: Node) -> Node:
    """Make the existing paths in a config absolute, in place, so that it works from any folder; return the config."""
    source = config["dataset"].get("source")
    for node, key in ((config, "data_dir"), (config, "continues"), (config, "init"), (source, "path")):
        path = node.get(key) if isinstance(node, dict) else None
        if isinstance(path, str) and exists(expanded(path)):
            node[key] = str(expanded(path).absolute())
    return config


def settle_classifier(config: Node, typed: set[str]) -> None:
    """Turn ``classifier=auto`` into true, in place, if the user typed which scores to compute, or in which features."""
    asked = {key.partition(".")[0] for key in typed} & {"metrics", "features"}
    if config.get("classifier") == "auto" and asked:
        config["classifier"] = True


def key_of(word: str) -> str:
    """Return the key of an override: ``beta`` for ``+beta=4``, and for ``~beta``."""
    return word.partition("=")[0].lstrip("+~")


class Composer:
    """Composes the configs of a sweep's jobs. Created by :func:`composer`, since Hydra's search path is global.

    Hydra takes about 0.2 s to compose a config. Configs are therefore composed once per choice of options; words that
    only set a value are then applied to copies, as Hydra itself does in its last step. A job takes about 0.5 ms then.

    >>> with composer(["model=dense"]) as compose_job:
    ...     config = compose_job(["latent_dim=4", "beta=2"])
    """

    def __init__(self, fixed: list[str]) -> None:
        self.fixed = fixed
        self._composed: dict[tuple[str, ...], tuple[DictConfig, Node, Node]] = {}
        self._parsed: dict[str, tuple[str, Any]] = {}  # a word that sets a value -> key and value

    def of_sweep(self, keys: list[str]) -> Node:
        """Return the given keys of the config that the fixed words compose."""
        plain = cast(Node, OmegaConf.to_container(self.raw(())[0]))
        return {key: plain[key] for key in keys if key in plain}

    def __call__(self, job: list[str]) -> Node:
        """Return the resolved config of one job.

        Raises:
            UserError: the weights contradict each other, or the objective does not read one or the schedule.
            HydraException, OmegaConfBaseException: a word names an unknown key or option.
        """
        composed, raw, choices = self.raw(tuple(word for word in job if not _sets_a_value(word)))
        values = dict(self._value_of(word) for word in job if _sets_a_value(word))
        typed = {key_of(word) for word in [*self.fixed, *job]}
        try:
            plain = _plain(raw, values, typed)
        except NotPlain:
            plain = _by_omegaconf(composed, values, typed)
        settle_classifier(plain, typed)
        return with_absolute_paths({**plain, "choices": dict(choices)})

    def _value_of(self, word: str) -> tuple[str, Any]:
        if word not in self._parsed:
            (override,) = OverridesParser.create().parse_overrides([word])
            self._parsed[word] = override.key_or_group, override.value()
        return self._parsed[word]

    def raw(self, choosing: tuple[str, ...]) -> tuple[DictConfig, Node, Node]:
        """Return the config that these words compose, the same as plain mappings, not resolved, and the choices."""
        if choosing not in self._composed:
            words = [*self.fixed, *choosing]
            with naming_the_word("train", words):
                config = compose("train", words, return_hydra_config=True)
            choices = cast(Node, OmegaConf.to_container(config.hydra.runtime.choices))
            with open_dict(config):
                del config["hydra"]
            raw = cast(Node, OmegaConf.to_container(config))
            self._composed[choosing] = config, raw, {k: v for k, v in choices.items() if not k.startswith("hydra")}
        return self._composed[choosing]


def _plain(raw: Node, values: Mapping[str, Any], typed: set[str]) -> Node:
    """Return the resolved config of a job without OmegaConf.

    Raises:
        NotPlain: only OmegaConf can.
        UserError: the weights contradict each other, or the objective does not read one or the schedule.
    """
    config = with_values(raw, values)
    refuse_unread_schedule(config["objective"], typed)
    weights = {key: resolved(config.get(key), config) for key in WEIGHTS}
    config |= resolve_weights(weights, typed, weighs_kl=has_kl_weight(config["objective"]))
    return cast(Node, resolved(config, config))


def _by_omegaconf(composed: DictConfig, values: Mapping[str, Any], typed: set[str]) -> Node:
    config = composed.copy()
    for key, value in values.items():
        OmegaConf.update(config, key, value)
    settle_weights(config, typed)
    return cast(Node, OmegaConf.to_container(config, resolve=True, throw_on_missing=True))


@contextmanager
def composer(fixed: list[str]) -> Iterator[Composer]:
    """Provide a composer of configs for ``vae-lab train`` with the given fixed words."""
    register_resolvers()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF.absolute()), version_base="1.3"):
        yield Composer(fixed)


@contextmanager
def naming_the_word(command: str, words: list[str]) -> Iterator[None]:
    """Turn an error of Hydra that explains nothing into one that names the word with which composing fails.

    Before a config is composed, nothing of the package has run; an error is therefore always one of the words.

    Raises:
        UserError: names the word.
    """
    try:
        yield
    except Exception as why:
        if isinstance(why, UserError) or explain_hydra(why, command):
            raise
        word = _first_refused(command, words)
        text = " ".join(str(why).split())[:200]
        raise UserError(f"{word + ': ' if word else ''}the config cannot be composed ({text})") from why


def _first_refused(command: str, words: list[str]) -> str | None:
    """Return the first word with which the config of a command can no longer be composed; None if there is none."""
    with initialize_config_dir(str(CONF.absolute()), version_base="1.3"):
        for count in range(1, len(words) + 1):
            try:
                OmegaConf.to_container(compose(command, words[:count]))
            except Exception:  # what it says is known
                return words[count - 1]
    return None


def split_words(words: list[str]) -> tuple[list[str], list[Varied]]:
    """Split words into those that stay the same and the keys that vary.

    Call it inside a :func:`composer`: ``model=glob(*)`` needs the list of options.

    Raises:
        OverrideParseException: a word is not of the form key=value.
    """
    loader = GlobalHydra.instance().config_loader()
    overrides = OverridesParser.create(config_loader=loader).parse_overrides(words)
    last = {override.get_key_element(): place for place, override in enumerate(overrides)}  # the last one wins
    kept = [(words[place], overrides[place]) for place in sorted(last.values())]
    fixed = [word for word, override in kept if not override.is_sweep_override()]
    return fixed, [_varied(override) for _, override in kept if override.is_sweep_override()]


def _varied(override: Override) -> Varied:
    key, value = override.get_key_element(), override.value()
    if isinstance(value, IntervalSweep):
        whole = isinstance(value.start, int)  # int(interval(2,64))
        return Varied(key, [], (float(value.start or 0), float(value.end or 0)), "log" in value.tags, whole)
    if isinstance(value, Glob):  # Hydra's own glob ignores the sub-folders of a group
        return Varied(key, _matching(key, value))
    values = list(override.sweep_string_iterator())
    if isinstance(value, RangeSweep) and float(value.step) == 1:  # a search may draw from it like from an interval
        return Varied(key, values, (float(values[0]), float(values[-1])), "log" in value.tags, whole=True)
    return Varied(key, values)


def _matching(group: str, pattern: Glob) -> list[str]:
    matching = pattern.filter(list(groups().get(group, {})))
    if not matching:
        raise UserError(f"{group}=glob({', '.join(pattern.include)}): no option of {group} matches")
    return matching


def vary_of(node: object) -> list[Varied]:
    """Return the keys and values of an experiment's ``vary:`` node.

    Raises:
        UserError: the node is not a mapping of keys to lists of values.
    """
    shape = "vary: {latent_dim: [1, 4, 16]}"
    if not isinstance(node, dict):
        raise UserError(f"vary={node}: must be a mapping of keys to lists of values, as in {shape}")
    for key, values in node.items():
        if not isinstance(values, list) or not values or any(isinstance(v, dict | list) for v in values):
            raise UserError(f"vary.{key}={values}: must be a list of values, as in {shape}")
    return [Varied(key, [_typed(value) for value in values]) for key, values in node.items()]


def _typed(value: object) -> str:
    """Return a YAML value as the user would type it."""
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _sets_a_value(word: str) -> bool:
    """Return whether a word only sets a value. Choices of an option, additions and removals are left to Hydra."""
    return word[0] not in "+~" and key_of(word) not in groups() and not {"/", "@"} & set(key_of(word))
