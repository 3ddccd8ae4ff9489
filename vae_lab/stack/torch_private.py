"""Underscored attributes of ``torch.nn.Module``, each behind one name with the reason for using it.

torch does not promise to keep them. When a new torch version breaks the grouping of jobs, look here first.
"""

from typing import Any

from torch import Tensor, nn

_REGISTERED = ("_parameters", "_buffers", "_modules")


def registered_tensors(module: nn.Module) -> dict[str, Tensor | None]:
    """Return the parameters and buffers of a module by name, without those of its submodules.

    ``named_parameters`` and ``named_buffers`` leave out a name that is registered as None.
    """
    return {**module._parameters, **module._buffers}


def registered_modules(module: nn.Module) -> dict[str, nn.Module | None]:
    """Return the submodules of a module by name, without those inside them.

    ``named_children`` leaves out the second name of a submodule and a name that is registered as None.
    """
    return dict(module._modules)


def plain_attributes(module: nn.Module) -> dict[str, Any]:
    """Return the attributes of a module that are neither parameters nor buffers nor submodules.

    A module stores those three kinds in dictionaries among its attributes, and torch has no public list of their names.
    """
    return {key: value for key, value in vars(module).items() if key not in _REGISTERED}
