"""What is inside an export, and the proof that nothing privileged is."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

from tfpfd._arguments import names_in
from tfpfd._files import path_in
from tfpfd._html import html_of, html_table
from tfpfd.schema import Schema
from tfpfd.schema.feature import raw_columns
from tfpfd.serving.checkpoint import variable_shapes
from tfpfd.serving.manifest import (
    EXTRA,
    MANIFEST,
    SCHEMA,
    changes,
    read_manifest,
    read_schema,
)
from tfpfd.serving.newest_version import latest
from tfpfd.serving.reachability import unexplained
from tfpfd.serving.signatures import OF_A_CATALOGUE, request_samples
from tfpfd.versions.manifest import digest_of

# Words that TensorFlow, Keras and an export itself use for nodes and variables, besides the names
# of operations, signatures and their inputs. Where one of them is a privileged feature's name too,
# it says nothing.
_WORDS = frozenset(
    """
    attention attributes axis batch batch_normalization batchnorm beta bias boolean_mask
    checkpoint_key clip_by_value codes concat_dim count_nonzero cpu dense dim dropout embedding
    embedding_lookup encoder false feature_encoder file_prefix gamma gpu gru index inputs
    item_embeddings item_ids item_rows item_scales item_tower kernel key keys l2_normalize lambda
    left length loc lookup moving_mean moving_variance numbers part permutation query read
    reduction_indices right scores serve shard signatures split_dim step table tfpfd time true
    truediv two_tower unknown user_tower value values weights width zeros
    """.split()
).union(one.name for one in OF_A_CATALOGUE)


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
      manifest: what the version says of itself: see `tfpfd.export`; empty if it has no manifest.
      digest: SHA-256 of the manifest, which holds the hashes of all other files. Kept elsewhere,
        it tells the version from one whose files and manifest were both rewritten.
      findings: what should not be there, a sentence each; empty if nothing was found.
    """

    path: Path
    signatures: dict[str, tuple[list[str], list[str]]]
    variables: dict[str, list[int]]
    bytes: int
    schema: Schema | None
    stripped: list[str]
    manifest: dict[str, Any]
    digest: str | None
    findings: list[str]

    def __repr__(self) -> str:
        return f"Inspection('{self.path}', {self._size}: {self.verdict})"

    def _repr_html_(self) -> str:
        rows = [
            (name, ", ".join(inputs), ", ".join(outputs))
            for name, (inputs, outputs) in self.signatures.items()
        ]
        signatures = html_table(("signature", "inputs", "outputs"), rows)
        variables = html_table(("variable", "shape"), self.variables.items())
        title = f"Export '{self.path}', {self._size}: {self.verdict}"
        return html_of(title, signatures, variables)

    @property
    def _size(self) -> str:
        return f"{len(self.signatures)} signatures, {self.bytes / 1e6:.1f} MB"

    @property
    def verdict(self) -> str:
        """What it comes to: with no name to look for, nothing is said of privileged features."""
        if self.findings:
            return f"not clean: {'; '.join(self.findings)}"
        if not self.stripped:
            return (
                "not checked: no privileged feature is known, so none was looked for; name them "
                "(`privileged=`, `--privileged`)"
            )
        return "nothing privileged is inside"


def inspect_export(
    path: str | os.PathLike, privileged: Iterable[str] = (), operations: Iterable[str] = ()
) -> Inspection:
    """Reads an export and looks for anything privileged in it.

    The files must be those that were written, by the hashes in the manifest. Inputs must be served
    features, the variables and lookup tables those that the export declared and a signature reads,
    and outputs a function of them alone: see `tfpfd.serving.reachability`.
    The names are searched in the graph and its functions, their strings, the checkpoint's keys and
    the assets; one that is also a word of TensorFlow's, such as `rank`, in the assets alone.

    Args:
      path: the directory of a version, or of a model, whose newest version is taken.
      privileged: names to look for besides those that the manifest says were stripped.
      operations: names of TensorFlow operations that the graph may hold besides those of
        `tfpfd.serving.allowed_operations`, such as those of a library of one's own.

    Raises:
      TypeError: `privileged` or `operations` is one string.
      FileNotFoundError: there is no SavedModel.
      ValueError: it can't be read: it was damaged, or is no export's.
    """
    privileged, operations = names_in("privileged", privileged), names_in("operations", operations)
    directory = latest(path_in("path", path))
    if not (directory / "saved_model.pb").is_file():
        raise FileNotFoundError(
            f"'{directory}' holds no saved_model.pb: expected an export, not a version of a line, "
            "whose student `Version.read(path).load()` opens for `tfpfd.export`"
        )
    manifest = read_manifest(directory) or {}
    # Before anything else is read: what was damaged isn't worth it, and may do harm.
    changed = changes(directory, manifest) if manifest else []
    for finding in changed:
        if finding.startswith(tuple(f"file '{name}' was changed" for name in _READ)):
            raise ValueError(f"'{directory}' can't be read as a SavedModel: {finding}")
    try:
        return _inspected(directory, manifest, changed, set(privileged), operations)
    except (DecodeError, LookupError, TypeError, AttributeError, tf.errors.OpError) as error:
        # Whatever a forged graph makes of what looks at it: that it is no graph of an export.
        said = " ".join(str(error).split())
        raise ValueError(
            f"'{directory}' can't be read as a SavedModel: {type(error).__name__}: {said:.300}"
        ) from None


_READ = ("saved_model.pb", "variables/variables.index", f"{EXTRA}/{SCHEMA}")


def _inspected(
    directory: Path,
    manifest: dict[str, Any],
    changed: list[str],
    privileged: set[str],
    operations: Iterable[str],
) -> Inspection:
    content = (directory / "saved_model.pb").read_bytes()
    graphs = saved_model_pb2.SavedModel.FromString(content).meta_graphs
    graph = graphs[0]
    variables = variable_shapes(directory)
    schema = read_schema(directory) if manifest and (directory / EXTRA / SCHEMA).is_file() else None
    stripped = sorted({*manifest.get("stripped", ()), *privileged})
    findings = []
    if not manifest or schema is None:
        findings.append(f"{EXTRA}/{MANIFEST} or {EXTRA}/{SCHEMA} is missing: not an export")
    else:
        findings += changed
        findings += _undeclared(graph, schema, variables, manifest)
        findings += unexplained(graph, operations)
    if all(name.startswith("__") for name in graph.signature_def):
        findings.append("the SavedModel has no signature: nothing of it can be checked")
    if len(graphs) > 1:
        findings.append(f"the SavedModel holds {len(graphs)} graphs: expected one")
    if any(node.slot_variables for node in graph.object_graph_def.nodes):
        findings.append("the object graph holds variables of an optimizer")
    common = {name for name in stripped if _is_common(name)}
    if schema is not None and manifest.get("k"):
        inputs = [one.inputs(schema, attributes=()) for one in OF_A_CATALOGUE]
        common.update(name for names in inputs for name in names)
    for where, text in _strings(directory, graph, variables):
        names = set(re.split(r"\W+", text)) & set(stripped)
        if not where.startswith("asset"):
            names -= common
        findings += [f"privileged feature '{name}' is named in {where}" for name in sorted(names)]
    return Inspection(
        path=directory,
        signatures=_signatures(graph),
        variables=variables,
        bytes=sum(file.stat().st_size for file in directory.rglob("*") if file.is_file()),
        schema=schema,
        stripped=stripped,
        manifest=manifest,
        digest=digest_of(directory / EXTRA / MANIFEST) if manifest else None,
        findings=list(dict.fromkeys(findings)),
    )


def _undeclared(
    graph: Any, schema: Schema, variables: dict[str, list[int]], manifest: dict[str, Any]
) -> list[str]:
    """Inputs, variables and features that an export does not have."""
    findings = []
    served = set(raw_columns(schema.features("served").values()))
    requests = request_samples(schema, manifest)
    for name, signature in graph.signature_def.items():
        if name.startswith("__"):
            continue
        extra = sorted(set(signature.inputs) - served - set(requests.get(name, ())))
        if extra:
            findings.append(f"signature '{name}' takes {extra}, which are no served features")
    fed = {t.name for signature in graph.signature_def.values() for t in signature.inputs.values()}
    fed.add(graph.saver_def.filename_tensor_name)
    findings += [
        f"placeholder '{node.name}' is no input of a signature"
        for node in graph.graph_def.node
        if node.op == "Placeholder" and f"{node.name}:0" not in fed
    ]
    tables = {key.split("/")[2] for key in variables if key.startswith("lookup/_tables/")}
    findings += [
        f"the lookup table of '{name}' is of no served feature"
        for name in sorted(tables - set(schema.features("served")))
    ]
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
    for function in functions:
        yield "a function's name", function.signature.name
        for argument in (*function.signature.input_arg, *function.signature.output_arg):
            yield "a function's argument", argument.name
    for body in bodies:
        for node in body:
            yield "a node of the graph", node.name
            for attribute in node.attr.values():
                for text in (attribute.s, *attribute.list.s, *attribute.tensor.string_val):
                    yield "a string of the graph", text.decode("utf-8", "replace")
    for file in sorted((directory / "assets").rglob("*")):
        yield "assets, as a file's name", file.name
        if file.is_file():
            yield f"asset '{file.name}'", file.read_bytes().decode("utf-8", "replace")


def _is_common(name: str) -> bool:
    """Whether a name is also a word of TensorFlow's: nodes are named after their operations."""
    word = name.lower()
    return len(word) == 1 or word in _WORDS or word.replace("_", "") in _operations()


@functools.cache
def _operations() -> frozenset[str]:
    return frozenset(name.lower() for name in dir(tf.raw_ops))


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
    if shape.unknown_rank:
        return "of any shape"
    return "[" + ", ".join("?" if d.size < 0 else str(d.size) for d in shape.dim) + "]"
