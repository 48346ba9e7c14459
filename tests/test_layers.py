"""The order of `decontam/README.md` is law: a module imports only from rows above its own, or from earlier in its row."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import decontam

PACKAGE = Path(decontam.__file__).parent
HOSTS = {"datatrove", "apache_beam", "pyarrow", "fsspec", "duckdb", "ray", "dask", "starlette", "uvicorn"}
DOORS = {
    "adapters",
    "cli",
    "parquet",
    "parquet_writer",
    "files",
    "places",
    "folders",
    "inputs",
    "tables",
    "run",
    "queries",
    "quarantine",
    "figures",
}


def _order() -> dict[str, int]:
    block = re.search(r"```layers\n(.*?)```", (PACKAGE / "README.md").read_text("utf-8"), re.DOTALL)
    assert block, "decontam/README.md draws the layers in a block called layers"
    return {name: number for number, name in enumerate(re.findall(r"[a-z_]+", re.sub(r"#.*", "", block.group(1))))}


ORDER = _order()
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or not path.name.startswith("__"))


def place(module: str) -> str:
    """decontam.stages.pii -> stages"""
    return module.split(".")[1] if "." in module else module


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} if node.module == "decontam" else {node.module}
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    here = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    ours = {place(name) for name in imports(path) if name.startswith("decontam.") and place(name) != "__version__"} - {here}

    assert [] == sorted(name for name in ours if ORDER[name] >= ORDER[here])


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_hosts_are_kept_at_the_door(path: Path) -> None:
    here = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    hosts = {name.split(".")[0] for name in imports(path)} & HOSTS

    assert here in DOORS or not hosts


def test_every_module_has_its_place() -> None:
    assert {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in MODULES} <= ORDER.keys()


def test_no_module_is_a_bag() -> None:
    assert [] == [path.name for path in MODULES if re.match(r"(utils?|helpers?|common|misc|base)\.py", path.name)]
