"""What of a job is fixed in code and plain values: two jobs that agree in it can be trained as one stack.

Values of parameters and buffers may differ; everything else would silently be the first job's for all. So nothing is
left out: module classes, plain attributes down to numbers and functions, names and shapes of tensors.
"""

import functools
import types
from collections.abc import Hashable, Mapping, Sequence
from enum import Enum
from typing import Any

import torch
from torch import Tensor, nn

from vae_lab.training.job import Job

_PLAIN = (bool, int, float, complex, str, bytes, range, slice, torch.Size, torch.dtype, torch.device, Enum, type(None))
_TENSORS = ("_parameters", "_buffers", "_modules")


def structure_of(job: Job) -> Hashable:
    """Equal for jobs that may be stacked. What the phases' own optimizers are is left out: it is no part of a step."""
    return _Description(job.own_optimizers).of(job)


def description_of(x: Any) -> Hashable:
    """The same of any object."""
    return _Description(None).of(x)


class _Description:
    """One walk; an object that is met again is told by its number, so that a circle ends."""

    def __init__(self, apart: Any) -> None:
        self.apart = apart
        self.met: dict[int, int] = {}

    def of(self, x: Any) -> Hashable:
        if isinstance(x, _PLAIN):
            return type(x).__name__, repr(x)
        if isinstance(x, tuple):  # no circle goes through tuples alone, and equal ones may be one object or two
            return _name(type(x)), tuple(self.of(part) for part in x)
        if id(x) in self.met:
            return "again", self.met[id(x)]
        self.met[id(x)] = len(self.met)
        if isinstance(x, Sequence):
            return _name(type(x)), tuple(self.of(part) for part in x)
        if isinstance(x, set | frozenset):
            return _name(type(x)), tuple(sorted((self.of(part) for part in x), key=repr))
        if isinstance(x, Mapping):
            return _name(type(x)), tuple((self.of(key), self.of(value)) for key, value in x.items())
        if isinstance(x, Tensor):  # not registered: a value like any other
            return "tensor", tuple(x.shape), str(x.dtype), tuple(x.detach().flatten().tolist())
        if isinstance(x, nn.Module):
            return self._module(x)
        return self._object(x)

    def _module(self, x: nn.Module) -> Hashable:
        plain = {key: value for key, value in vars(x).items() if key not in _TENSORS and value is not self.apart}
        tensors = {**x._parameters, **x._buffers}
        told = {name: t if t is None else (*t.shape, str(t.dtype), t.requires_grad) for name, t in tensors.items()}
        parts = {name: None if part is None else self.of(part) for name, part in x._modules.items()}
        for key in plain:
            if key.endswith("_hooks"):  # their keys are numbered on through all modules there are
                plain[key] = tuple(plain[key].values())
        attributes = tuple((key, self.of(plain[key])) for key in sorted(plain))
        return _name(type(x)), tuple(told.items()), attributes, tuple(parts.items())

    def _object(self, x: Any) -> Hashable:
        if isinstance(x, functools.partial):
            return "partial", self.of(x.func), self.of(x.args), self.of(x.keywords)
        if isinstance(x, types.MethodType):
            return "method", _name(x), self.of(x.__self__)
        if isinstance(x, types.FunctionType):
            held = [cell.cell_contents for cell in x.__closure__ or ()]
            return "function", x.__code__, self.of(x.__defaults__), self.of(x.__kwdefaults__), self.of(tuple(held))
        if isinstance(x, types.BuiltinFunctionType):
            of_module = isinstance(x.__self__, types.ModuleType | None)
            return "builtin", _name(x), None if of_module else self.of(x.__self__)
        if isinstance(x, type):
            return "type", _name(x)
        if hasattr(x, "__dict__") and not hasattr(type(x), "__slots__"):
            return _name(type(x)), self.of(vars(x))
        return "unknown", _name(type(x)), id(x)  # equal to nothing else: such a job is trained alone


def _name(x: Any) -> str:
    return f"{getattr(x, '__module__', '')}.{getattr(x, '__qualname__', repr(x))}"
