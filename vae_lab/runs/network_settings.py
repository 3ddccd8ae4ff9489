"""The settings on which the shapes of networks depend, and those in which two configs differ."""

from collections.abc import Iterator

from vae_lab.config.node import Node

_GROUPS = ("dataset", "model", "posterior", "prior", "likelihood", "objective")
_NUMBERS = ("latent_dim", "conditional")
_OF_DATASET = ("height", "width", "channels", "attributes")  # its other settings change no shapes
_OF_OTHERS = ("posterior", "prior", *_NUMBERS)  # settings of the run that reach the model by reference


def differing(theirs: Node, ours: Node, of_objective: bool = True) -> dict[str, tuple[str, str]]:
    """Return the settings of networks in which two configs differ: the word to type -> (there, here).

    A group whose chosen option differs stands for all its settings. Within the same option, fractions are left out,
    because no shape depends on them.

    Args:
        theirs: the config of one run.
        ours: the config of the other run.
        of_objective: whether the networks of the objective, such as a discriminator, count.

    >>> differing({"latent_dim": 2, "model": {"width": 8}}, {"latent_dim": 4, "model": {"width": 8}})
    {'latent_dim': ('2', '4')}
    """
    found: dict[str, tuple[str, str]] = {}
    for group in _GROUPS if of_objective else _GROUPS[:-1]:
        chosen = [_choice(config, group) for config in (theirs, ours)]
        if chosen[0] != chosen[1]:
            found[group] = chosen[0], chosen[1]
        else:
            there, here = (dict(_inside(config.get(group), group)) for config in (theirs, ours))
            names = [name for name in there if name in here and there[name] != here[name]]
            found |= {name: (there[name], here[name]) for name in names if _shapes(name)}
    values = {name: (_text(theirs.get(name)), _text(ours.get(name))) for name in _NUMBERS}
    return found | {name: (there, here) for name, (there, here) in values.items() if there != here}


def _choice(config: Node, group: str) -> str:
    """The option of a group, or its class where the config does not say which one was chosen."""
    node = config.get(group) or {}
    return str((config.get("choices") or {}).get(group) or node.get("name") or node.get("_target_"))


def _shapes(name: str) -> bool:
    group, *parts = name.split(".")
    if group == "dataset":
        return parts[-1] in _OF_DATASET
    return not parts or (parts[0] not in _OF_OTHERS and parts[-1][0] != "_")


def _inside(node: object, name: str) -> Iterator[tuple[str, str]]:
    """Yield the settings of a group, those of its parts included, as they are typed."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _inside(value, f"{name}.{key}")
    elif not isinstance(node, float):
        yield name, _text(node)


def _text(value: object) -> str:
    """A value as it is typed.

    >>> _text(True), _text(None), _text([32, 64])
    ('true', 'null', '[32,64]')
    """
    if isinstance(value, list):
        return f"[{','.join(map(_text, value))}]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
