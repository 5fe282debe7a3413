"""The tree: imports run one way, no module is in a circle, and no file grows too long."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ORDER = (
    "versions",
    "schema",
    "data",
    "datasets",
    "layers",
    "distillation",
    "evaluation",
    "objectives",
    "optimizers",
    "retraining",
    "serving",
    "integrations",
    "auditing",
    "demo",
)
"""The packages of `tfpfd`: each may import those before it, and the modules beside them."""

LINES = 320


def name_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = [ROOT / "tfpfd_cli.py"]
FILES += sorted(
    path for folder in ("tfpfd", "experiments") for path in (ROOT / folder).rglob("*.py")
)
MODULES = {name_of(path): path for path in FILES}


def imported(path):
    """The modules of the project that a file imports, in functions and for types too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports by dots"
            within = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= within & MODULES.keys()
            if within - MODULES.keys():
                found.add(node.module)
    return found & MODULES.keys()


GRAPH = {name: imported(path) - {name} for name, path in MODULES.items()}


def level_of(module):
    """Its place from the bottom, 0 to beside all packages."""
    first, *rest = module.split(".")
    if first == "experiments":
        return len(ORDER) + 3
    if first == "tfpfd_cli" or rest == ["__main__"]:
        return len(ORDER) + 2
    if not rest:
        return len(ORDER) + 1
    return 1 + ORDER.index(rest[0]) if (ROOT / "tfpfd" / rest[0]).is_dir() else 0


def test_the_order_names_every_package():
    packages = {path.parent.name for path in (ROOT / "tfpfd").glob("*/__init__.py")}
    assert packages == set(ORDER)
    assert len(GRAPH) > 200
    assert "tfpfd.schema" in GRAPH["tfpfd.data.dataset"]


def test_no_import_goes_upwards():
    upwards = [
        f"{name} imports {other}"
        for name, others in GRAPH.items()
        for other in sorted(others)
        if level_of(other) > level_of(name)
    ]
    assert upwards == []


def test_no_module_is_in_a_circle():
    left = {name: set(others) for name, others in GRAPH.items()}
    while free := [name for name, others in left.items() if not others]:
        for name in free:
            del left[name]
        for others in left.values():
            others.difference_update(free)
    # What is left is in a circle or imports one; each names what it waits for.
    assert left == {}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_is_short(path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= LINES
