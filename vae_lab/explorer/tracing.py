"""A model's decoder as a :class:`~vae_lab.explorer.program.Program`, whatever modules it consists of.

``torch.export`` records the operations that decode one code; each becomes a layer of the page
(:mod:`~vae_lab.explorer.operations`). What does not depend on the code is computed here and becomes a weight: effective
weights under weight normalisation, batch normalisation with its running statistics, draws at their mean. Nothing is
asked of the model's class, so that a network from outside the package works if its operations do.
"""

import operator
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.fx import Node

from vae_lab.explorer.operations import OPERATIONS
from vae_lab.explorer.program import Program, Weights, without_unread
from vae_lab.explorer.recording import CannotRun, Recorder, Register


class _Call(nn.Module):
    """A function of a code and y as a module whose weights are those of a model."""

    def __init__(self, model: nn.Module, decode: Callable[[Tensor, Tensor | None], Tensor]) -> None:
        super().__init__()
        self.model, self.decode = model, decode

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """[1, D] to [1, C, H, W]."""
        return self.decode(z, y)


def traced(
    model: nn.Module,
    decode: Callable[[Tensor, Tensor | None], Tensor],
    z: Tensor,
    y: Tensor | None = None,
    precision: Weights = "fp16",
) -> Program:
    """Return the program of a decoder.

    Args:
        model: holds the weights, on the CPU and in evaluation mode.
        decode: codes [1, D] and y [1, A] to images [1, C, H, W] in [0, 1]; it draws nothing.
        z: a code.
        y: attributes, or a label as a one-hot vector, of a conditional model.
        precision: how the page stores matrices and kernels.

    Raises:
        CannotRun: the decoder has an operation that the page does not have; the message names it.
    """
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exported = torch.export.export(_Call(model, decode).eval(), (z, y), strict=False)
    except Exception as why:  # whatever the tracing of someone's module may raise
        reason = " ".join([type(why).__name__, *str(why).split()])[:160]
        raise CannotRun(f"torch.export cannot follow it: {reason}") from why
    inputs = [z] if y is None else [z, y]
    with torch.no_grad():
        recorder, output = _recorded(exported, inputs)
    return without_unread(Program(tuple(tuple(x.shape) for x in inputs), tuple(recorder.layers), output, precision))


def _recorded(exported: ExportedProgram, inputs: list[Tensor]) -> tuple[Recorder, int]:
    """Go through the graph: constants are computed, everything else is recorded."""
    recorder = Recorder([tuple(x.shape) for x in inputs])
    free = [Register(place, tuple(x.shape)) for place, x in enumerate(inputs)]
    values: dict[Node, Any] = {}
    for node in exported.graph.nodes:
        if node.op == "placeholder":
            values[node] = _weight(exported, node.name) if _is_weight(exported, node.name) else _next(free, node)
        elif node.op == "call_function":
            args = torch.fx.node.map_arg(node.args, values.__getitem__)
            kwargs = torch.fx.node.map_arg(node.kwargs, values.__getitem__)
            values[node] = _value(recorder, node, args, kwargs)
        elif node.op == "output":
            (result,) = torch.fx.node.map_arg(node.args[0], values.__getitem__)
    return recorder, recorder.register(result).place


def _value(recorder: Recorder, node: Node, args: Any, kwargs: Any) -> Any:
    name = str(node.target)
    if node.target is operator.getitem or not _depends(args, kwargs):
        return node.target(*args, **kwargs)  # type: ignore[operator]
    if name not in OPERATIONS:
        raise CannotRun(f"the page has no operation {name}")
    return OPERATIONS[name](recorder, *args, **kwargs)


def _depends(args: Any, kwargs: Any) -> bool:
    """Whether an operation reads a register, i.e. depends on the code or on y."""
    leaves = torch.utils._pytree.tree_leaves((args, kwargs))
    return any(isinstance(leaf, Register) for leaf in leaves)


def _next(free: list[Register], node: Node) -> Register | None:
    return free.pop(0) if node.meta.get("val") is not None else None


def _is_weight(exported: ExportedProgram, name: str) -> bool:
    signature = exported.graph_signature
    return (
        name in signature.inputs_to_parameters
        or name in signature.inputs_to_buffers
        or name in signature.inputs_to_lifted_tensor_constants
    )


def _weight(exported: ExportedProgram, name: str) -> Tensor:
    """Return a parameter, buffer or constant by the name of its placeholder, as float32 where it is a number."""
    signature = exported.graph_signature
    for names in (signature.inputs_to_parameters, signature.inputs_to_buffers):
        if name in names:
            full = names[name]
            found = exported.state_dict[full] if full in exported.state_dict else exported.constants[full]
            return found.detach()
    return exported.constants[signature.inputs_to_lifted_tensor_constants[name]]
