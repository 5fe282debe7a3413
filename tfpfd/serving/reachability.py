"""Whether the outputs of an export are a function of the inputs that its signatures declare."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from tfpfd.serving.allowed_operations import PURE, READING, SAVING

_RESOURCES = ("VarHandleOp", "MutableHashTableV2")


def unexplained(graph: Any, operations: Iterable[str] = ()) -> list[str]:
    """What the outputs of the signatures depend on besides inputs and restored state, and the rest.

    It walks from the outputs of each signature to all that they may depend on, through the
    functions that are called. On the way there may be that signature's inputs, variables and
    tables that the checkpoint restores, and operations of those in
    `tfpfd.serving.allowed_operations`. Each variable and table must be met by a signature, each
    node and function also by saving, restoring or initialising, which have operations of their own.

    Args:
      graph: a `MetaGraphDef`.
      operations: others that are allowed, such as those of a library of one's own.

    Returns:
      A sentence a finding.
    """
    nodes = {node.name: node for node in graph.graph_def.node}
    functions = {f.signature.name: f for f in graph.graph_def.library.function}
    saver = graph.saver_def
    restore = nodes.get(saver.restore_op_name)
    restored = {_node_of(name) for name in restore.input} if restore is not None else set()
    allowed = {*PURE, *READING, *operations, *functions}
    findings, served, bodies = [], set(), set()
    for name, signature in sorted(graph.signature_def.items()):
        if name.startswith("__"):
            continue
        inputs = {_node_of(info.name) for info in signature.inputs.values()}
        reached = _upstream(nodes, (info.name for info in signature.outputs.values()), inputs)
        called = _called((nodes[node] for node in reached if node in nodes), functions)
        findings += [
            f"signature '{name}' depends on {what}"
            for what in _foreign(nodes, functions, allowed, reached, called, inputs, restored)
        ]
        served |= reached
        bodies |= called
    findings += [
        f"variable or table '{name}' is read by no signature"
        for name, node in nodes.items()
        if node.op in _RESOURCES and name not in served
    ]
    mains = [end.name for s in graph.signature_def.values() for end in s.outputs.values()]
    mains += [saver.filename_tensor_name, saver.save_tensor_name, saver.restore_op_name]
    used = _upstream(nodes, mains)
    for name in sorted(set(nodes) - used - served):
        node = nodes[name]
        # TensorFlow leaves a node that reads each variable; the others have findings above.
        of_served = node.op == "ReadVariableOp" and _node_of(node.input[0]) in served
        if not of_served and node.op not in (*_RESOURCES, "Placeholder"):
            findings.append(f"node '{name}' belongs to no signature")
    others = [nodes[name] for name in nodes if name not in served]
    others += [
        node for name in functions if name not in bodies for node in functions[name].node_def
    ]
    findings += [
        f"operation {node.op} ('{node.name}') is none that saving and restoring need"
        for node in others
        if node.op not in allowed | SAVING and not node.op.startswith("Placeholder")
    ]
    return findings + _uncalled(graph, functions, nodes.values())


def _foreign(
    nodes: dict[str, Any],
    functions: dict[str, Any],
    allowed: set[str],
    reached: set[str],
    called: set[str],
    inputs: set[str],
    restored: set[str],
) -> Iterator[str]:
    """What a signature depends on, and must not."""
    for name in sorted(reached):
        node = nodes.get(name)
        if node is None:
            yield f"node '{name}', which doesn't exist"
        elif node.op in _RESOURCES:
            if name not in restored:
                yield f"'{name}', which the checkpoint doesn't restore"
        elif node.op.startswith("Placeholder"):
            if name not in inputs:
                yield f"placeholder '{name}', which is none of its inputs"
        elif node.op not in allowed:
            yield f"operation {node.op} ('{name}')"
    for body in sorted(called):
        if body not in functions:
            yield f"function '{body}', which doesn't exist"
            continue
        for node in functions[body].node_def:
            if node.op not in allowed:
                yield f"operation {node.op} ('{node.name}' in '{body}')"


def _upstream(nodes: dict[str, Any], tensors: Iterable[str], stop: Iterable[str] = ()) -> set[str]:
    """The nodes that some tensors depend on, through data or control."""
    reached: set[str] = set()
    waiting = [_node_of(tensor) for tensor in tensors if tensor]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            if name in nodes and name not in stop:
                waiting += [_node_of(tensor) for tensor in nodes[name].input]
    return reached


def _called(nodes: Iterable[Any], functions: dict[str, Any]) -> set[str]:
    """The functions that nodes call, and those that these call."""
    called: set[str] = set()
    waiting = [name for node in nodes for name in _calls(node, functions)]
    while waiting:
        name = waiting.pop()
        if name not in called:
            called.add(name)
            body = functions[name].node_def if name in functions else ()
            waiting += [inner for node in body for inner in _calls(node, functions)]
    return called


def _calls(node: Any, functions: dict[str, Any]) -> Iterator[str]:
    if node.op in functions:
        yield node.op
    for attribute in node.attr.values():
        if attribute.func.name:
            yield attribute.func.name
        yield from (function.name for function in attribute.list.func)


def _uncalled(graph: Any, functions: dict[str, Any], nodes: Iterable[Any]) -> list[str]:
    """Functions that are called by no node, and make, fill or save no table; other tables."""
    kept = _called(nodes, functions)
    objects = graph.object_graph_def.nodes
    ends: list[int] = []
    findings = []
    for held in objects:
        for child in held.children:
            table = objects[child.node_id]
            if table.WhichOneof("kind") == "resource" and not table.saveable_objects:
                findings.append(f"table '{child.local_name}' isn't restored by the checkpoint")
        for saveable in held.saveable_objects.values():
            ends += [saveable.save_function, saveable.restore_function]
        if held.WhichOneof("kind") == "resource":
            children = {child.local_name: child.node_id for child in held.children}
            ends += [children[name] for name in _OF_TABLES if name in children]
    roots = [name for end in ends for name in _names(objects[end])]
    roots += [gradient.gradient_func for gradient in graph.graph_def.library.registered_gradients]
    # A recurrent layer of Keras 2 has an implementation for each device, and their gradients.
    shared = {_implements(functions[name]) for name in kept if name in functions} - {b""}
    roots += [name for name, function in functions.items() if _implements(function) in shared]
    for name in roots:
        kept.add(name)
        if name in functions:
            kept |= _called(functions[name].node_def, functions)
    left = [name for name in functions if name not in kept]
    return findings + [f"function '{name}' is called by no signature" for name in left]


def _implements(function: Any) -> bytes:
    """The interface that a function implements, if any."""
    return function.attr["api_implements"].s if "api_implements" in function.attr else b""


_OF_TABLES = ("_create_resource", "_initialize", "_destroy_resource")


def _names(held: Any) -> list[str]:
    """Names of the functions behind an object of the graph."""
    if held.WhichOneof("kind") == "bare_concrete_function":
        return [held.bare_concrete_function.concrete_function_name]
    return list(held.function.concrete_functions)


def _node_of(tensor: str) -> str:
    return tensor.removeprefix("^").split(":")[0]
