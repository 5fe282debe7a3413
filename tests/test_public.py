"""What is public: every class that comes back from a call, and of a model what a user calls."""

import ast
from pathlib import Path

import pytest

import tfpfd
from tfpfd._keras import keras

ROOT = Path(__file__).parents[1]


def module_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


TREES = {
    module_of(path): ast.parse(path.read_text(encoding="utf-8"))
    for path in (ROOT / "tfpfd").rglob("*.py")
}


def found(module, name):
    """Where a name of a module is defined, and the definition; None if it isn't ours."""
    for node in TREES.get(module, ast.Module([], [])).body:
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        if getattr(node, "name", None) == name or name in [getattr(t, "id", "") for t in targets]:
            return module, node
    for node in ast.walk(TREES.get(module, ast.Module([], []))):
        for alias in node.names if isinstance(node, ast.ImportFrom) else ():
            if (alias.asname or alias.name) == name and (node.module, alias.name) != (module, name):
                return found(node.module, alias.name)
    return None


def published():
    """Of the packages: definitions by where they are and by the name that a user calls them."""
    names = {}
    for path in (ROOT / "tfpfd").rglob("__init__.py"):
        module = module_of(path)
        for node in TREES[module].body:
            if isinstance(node, ast.Assign) and node.targets[0].id == "__all__":
                for name in ast.literal_eval(node.value):
                    if (definition := found(module, name)) is not None:
                        names.setdefault(definition, f"{module}.{name}")
    return names


PUBLIC = published()


def returned(module, node):
    """Annotations of what a function gives, or the methods of a class and its bases."""
    if isinstance(node, ast.FunctionDef) and node.returns is not None:
        yield module, node.returns
    if isinstance(node, ast.ClassDef):
        for method in node.body:
            if isinstance(method, ast.FunctionDef) and not method.name.startswith("_"):
                yield from returned(module, method)
        for base in node.bases:
            if isinstance(base, ast.Name) and (definition := found(module, base.id)):
                yield from returned(*definition)


def classes_in(module, annotation):
    """Our classes that an annotation names, through aliases."""
    for node in ast.walk(annotation):
        if isinstance(node, ast.Name) and (definition := found(module, node.id)):
            if isinstance(definition[1], ast.ClassDef):
                yield definition
            elif isinstance(definition[1], ast.Assign | ast.AnnAssign) and definition[1].value:
                yield from classes_in(definition[0], definition[1].value)


def test_what_comes_back_can_be_imported():
    missing = {
        f"{where}.{node.name}, of {name}"
        for definition, name in PUBLIC.items()
        for module, annotation in returned(*definition)
        for where, node in classes_in(module, annotation)
        if (where, node) not in PUBLIC
    }
    assert missing == set()
    # The test sees something: what two calls return.
    names = set(PUBLIC.values())
    assert {"tfpfd.auditing.Report", "tfpfd.evaluation.Comparison"} <= names
    assert len(names) > 100


SCORER = {"encode", "encoders", "check_inputs"}
# Checkpoints hold it by this name.
KEPT = {"schema_print"}


@pytest.mark.parametrize(
    ("model", "called"),
    [
        (tfpfd.Ranker, SCORER),
        (tfpfd.FusedTowers, SCORER),
        (tfpfd.Distillation, set()),
        (tfpfd.AuxiliaryTasks, set()),
        (tfpfd.MultiTaskRanker, {"rankers"}),
        (tfpfd.SeparateRankers, set()),
        (tfpfd.Scalarised, {"rankers"}),
    ],
    ids=lambda model: getattr(model, "__name__", ""),
)
def test_what_a_model_shows_beside_what_keras_does(model, called):
    shown = {name for name in dir(model) if not name.startswith("_")}
    assert shown - set(dir(keras.Model)) - KEPT == called
