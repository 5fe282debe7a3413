"""What is inside an export, and the proof that nothing privileged is."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tfpfd.schema import Schema
from tfpfd.serving.module import CANDIDATES, K, variable_shapes
from tfpfd.serving.versions import latest

EXTRA, MANIFEST, SCHEMA = "assets.extra", "tfpfd.json", "schema.json"


@dataclass(frozen=True)
class Inspection:
    """What `inspect` found.

    Attributes:
      path: the version's directory.
      signatures: inputs and outputs of each signature, as `name: dtype shape`.
      variables: shape of each variable, by its key.
      bytes: size of all files.
      schema: the served schema, if there is one.
      stripped: the privileged features that were looked for.
      findings: what should not be there, a sentence each; empty if all is well.
    """

    path: Path
    signatures: dict[str, tuple[list[str], list[str]]]
    variables: dict[str, list[int]]
    bytes: int
    schema: Schema | None
    stripped: list[str]
    findings: list[str]


def inspect(path: str | os.PathLike, privileged: Iterable[str] = ()) -> Inspection:
    """Reads an export and looks for anything privileged in it.

    Looked through are the inputs of all signatures, placeholders, variables, lookup tables, names
    and strings of the graph and its functions, the checkpoint's keys, assets and the schema; the
    variables must be those that the export declared.

    Args:
      path: the directory of a version, or of a model, whose newest version is taken.
      privileged: names to look for besides those that the manifest says were stripped.

    Raises:
      FileNotFoundError: there is no SavedModel.
    """
    directory = latest(Path(path))
    saved = saved_model_pb2.SavedModel.FromString((directory / "saved_model.pb").read_bytes())
    manifest, schema = _read_extra(directory)
    stripped = sorted({*manifest.get("stripped", ()), *privileged})
    variables = variable_shapes(directory)
    graph = saved.meta_graphs[0]
    findings = []
    if not manifest or schema is None:
        findings.append(f"{EXTRA}/{MANIFEST} or {EXTRA}/{SCHEMA} is missing: not an export")
    else:
        findings += _undeclared(graph, schema, variables, manifest)
    for where, text in _strings(directory, graph, variables):
        names = set(re.split(r"[^A-Za-z0-9_]+", text)) & set(stripped)
        findings += [f"privileged feature '{name}' is named in {where}" for name in sorted(names)]
    return Inspection(
        path=directory,
        signatures=_signatures(graph),
        variables=variables,
        bytes=sum(file.stat().st_size for file in directory.rglob("*") if file.is_file()),
        schema=schema,
        stripped=stripped,
        findings=list(dict.fromkeys(findings)),
    )


def _read_extra(directory: Path) -> tuple[dict[str, Any], Schema | None]:
    manifest, schema = directory / EXTRA / MANIFEST, directory / EXTRA / SCHEMA
    if not manifest.is_file() or not schema.is_file():
        return {}, None
    return (
        json.loads(manifest.read_text(encoding="utf-8")),
        Schema.from_json(schema.read_text(encoding="utf-8")),
    )


def _undeclared(
    graph: Any, schema: Schema, variables: dict[str, list[int]], manifest: dict[str, Any]
) -> list[str]:
    """Inputs, variables and features that an export does not have."""
    findings = []
    allowed = {*schema.features("served"), CANDIDATES, K}
    for name, signature in graph.signature_def.items():
        if name.startswith("__"):
            continue
        extra = sorted(set(signature.inputs) - allowed)
        if extra:
            findings.append(f"signature '{name}' takes {extra}, which are no served features")
    if schema.sides["privileged"]:
        names = [feature.name for feature in schema.sides["privileged"]]
        findings.append(f"the schema holds privileged features {names}")
    declared = manifest.get("variables", {})
    findings += [
        f"variable '{key}' was not declared by the export"
        for key in variables
        if declared.get(key) != variables[key]
    ]
    return findings


def _strings(directory: Path, graph: Any, variables: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Where and what: every name and string in which a privileged feature could be named."""
    for key in variables:
        yield "a variable's key", key
    for name, signature in graph.signature_def.items():
        for key in (*signature.inputs, *signature.outputs):
            yield f"signature '{name}'", key
    for node in graph.object_graph_def.nodes:
        for child in node.children:
            yield "the object graph", child.local_name
        yield "a variable's name", node.variable.name
    functions = graph.graph_def.library.function
    bodies = [graph.graph_def.node, *(function.node_def for function in functions)]
    operations = {node.op.lower() for body in bodies for node in body}
    for function in functions:
        yield "a function's name", function.signature.name
        for argument in (*function.signature.input_arg, *function.signature.output_arg):
            yield "a function's argument", argument.name
    for body in bodies:
        for node in body:
            # TensorFlow names nodes after their operation: `mul` is no feature's name.
            parts = [p for p in node.name.split("/") if _bare(p) not in operations]
            yield "a node of the graph", "/".join(parts)
            for attribute in node.attr.values():
                for text in (attribute.s, *attribute.list.s, *attribute.tensor.string_val):
                    yield "a string of the graph", text.decode("utf-8", "replace")
    for file in sorted((directory / "assets").rglob("*")):
        yield "an asset's name", file.name
        if file.is_file():
            yield f"asset '{file.name}'", file.read_bytes().decode("utf-8", "replace")


def _bare(part: str) -> str:
    """A part of a node's name without its counter and underscores, in lower case."""
    return re.sub(r"_\d+$", "", part).replace("_", "").lower()


def _signatures(graph: Any) -> dict[str, tuple[list[str], list[str]]]:
    def lines(tensors: Any) -> list[str]:
        return [
            f"{name}: {tf.as_dtype(info.dtype).name} {_shape(info.tensor_shape)}"
            for name, info in sorted(tensors.items())
        ]

    return {
        name: (lines(signature.inputs), lines(signature.outputs))
        for name, signature in sorted(graph.signature_def.items())
        if not name.startswith("__")
    }


def _shape(shape: Any) -> str:
    return "[" + ", ".join("?" if d.size < 0 else str(d.size) for d in shape.dim) + "]"
