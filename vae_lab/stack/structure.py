"""Describes the structure of a job: two jobs with equal descriptions can be trained as one stack.

The values of parameters and buffers may differ. Everything else in a stack is taken from its first job, so the
description leaves nothing out: module classes, plain attributes down to numbers and functions, and the names and shapes
of tensors.
"""

import functools
import types
from collections.abc import Hashable, Mapping, Sequence
from enum import Enum

import torch
from torch import Tensor, nn

from vae_lab.stack.torch_private import plain_attributes, registered_modules, registered_tensors
from vae_lab.training.job import Job

_PLAIN = (bool, int, float, complex, str, bytes, range, slice, torch.Size, torch.dtype, torch.device, Enum, type(None))


def structure_of(job: Job) -> Hashable:
    """Return a value that is equal for jobs which may be stacked. It leaves out the phases' own optimizers."""
    return _Description(job.own_optimizers).of(job)


def description_of(x: object) -> Hashable:
    """Return a value that is equal for objects of equal structure and content."""
    return _Description(None).of(x)


class _Description:
    """Describes one object and everything it refers to.

    An object that occurs again is described by its number, so that circular references end.

    Args:
        excluded: an object that is left out as an attribute of modules.
    """

    def __init__(self, excluded: object) -> None:
        self.excluded = excluded
        self.numbers: dict[int, int] = {}  # id of an object -> its number

    def of(self, x: object) -> Hashable:
        if isinstance(x, _PLAIN):
            return type(x).__name__, repr(x)
        if isinstance(x, tuple):  # not numbered: no circle consists of tuples only, and equal tuples may be one object
            return _name(type(x)), tuple(self.of(part) for part in x)
        if id(x) in self.numbers:
            return "again", self.numbers[id(x)]
        self.numbers[id(x)] = len(self.numbers)
        if isinstance(x, Sequence):
            return _name(type(x)), tuple(self.of(part) for part in x)
        if isinstance(x, set | frozenset):
            return _name(type(x)), tuple(sorted((self.of(part) for part in x), key=repr))
        if isinstance(x, Mapping):
            return _name(type(x)), tuple((self.of(key), self.of(value)) for key, value in x.items())
        if isinstance(x, Tensor):  # neither a parameter nor a buffer, so its values must be equal
            return "tensor", tuple(x.shape), str(x.dtype), tuple(x.detach().flatten().tolist())
        if isinstance(x, nn.Module):
            return self._module(x)
        return self._object(x)

    def _module(self, x: nn.Module) -> Hashable:
        plain = {key: value for key, value in plain_attributes(x).items() if value is not self.excluded}
        tensors = registered_tensors(x)
        shapes = {name: t if t is None else (*t.shape, str(t.dtype), t.requires_grad) for name, t in tensors.items()}
        parts = {name: None if part is None else self.of(part) for name, part in registered_modules(x).items()}
        for key in plain:
            if key.endswith("_hooks"):  # the keys of hooks are numbered across all modules of the process
                plain[key] = tuple(plain[key].values())
        attributes = tuple((key, self.of(plain[key])) for key in sorted(plain))
        return _name(type(x)), tuple(shapes.items()), attributes, tuple(parts.items())

    def _object(self, x: object) -> Hashable:
        if isinstance(x, functools.partial):
            return "partial", self.of(x.func), self.of(x.args), self.of(x.keywords)
        if isinstance(x, types.MethodType):
            return "method", _name(x), self.of(x.__self__)
        if isinstance(x, types.FunctionType):
            closure = [cell.cell_contents for cell in x.__closure__ or ()]
            return "function", x.__code__, self.of(x.__defaults__), self.of(x.__kwdefaults__), self.of(tuple(closure))
        if isinstance(x, types.BuiltinFunctionType):
            of_module = isinstance(x.__self__, types.ModuleType | None)
            return "builtin", _name(x), None if of_module else self.of(x.__self__)
        if isinstance(x, type):
            return "type", _name(x)
        if hasattr(x, "__dict__") and not hasattr(type(x), "__slots__"):
            return _name(type(x)), self.of(vars(x))
        return "unknown", _name(type(x)), id(x)  # equal to no other object, so that the job is trained alone


def _name(x: object) -> str:
    return f"{getattr(x, '__module__', '')}.{getattr(x, '__qualname__', repr(x))}"
