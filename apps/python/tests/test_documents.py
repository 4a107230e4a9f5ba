"""The documents' examples run, the types hold, and the package is quick to import."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from elbo import _native

ROOT = Path(__file__).parents[3]
COOKBOOK = sorted(f"docs/cookbook/{page.name}" for page in (ROOT / "docs/cookbook").glob("*.md"))
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: str) -> list[str]:
    return BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))


def test_pages_have_examples() -> None:
    assert len(blocks("docs/python.md")) > 10 and blocks("README.md") and any(map(blocks, COOKBOOK))


def test_the_page_s_examples_run(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(ROOT)
    names: dict[str, Any] = {"OUT": str(tmp_path)}
    for number, block in enumerate(blocks("docs/python.md"), 1):
        exec(compile(block, f"docs/python.md, example {number}", "exec"), names)


def test_the_readme_s_example_runs(monkeypatch: Any) -> None:
    monkeypatch.chdir(ROOT)
    for block in blocks("README.md"):
        exec(compile(block, "README.md", "exec"), {})


@pytest.mark.parametrize("page", [page for page in COOKBOOK if blocks(page)])
def test_the_cookbook_s_examples_run(page: str, monkeypatch: Any) -> None:
    monkeypatch.chdir(ROOT)
    names: dict[str, Any] = {}
    for number, block in enumerate(blocks(page), 1):
        exec(compile(block, f"{page}, example {number}", "exec"), names)


def test_types_hold() -> None:
    what = ["apps/python/python/elbo", "apps/python/generate.py", "examples/python/intervals.py"]
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", "pyproject.toml", *what]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def public(names: Any) -> set[str]:
    return {name for name in names if not name.startswith("_")}


def arguments(function: ast.FunctionDef) -> list[str]:
    return [argument.arg for argument in function.args.args]


def test_the_stub_is_that_of_the_native_half() -> None:
    stub = ast.parse((ROOT / "apps/python/python/elbo/_native.pyi").read_text(encoding="utf-8"))
    functions = {node.name: node for node in stub.body if isinstance(node, ast.FunctionDef)}
    classes = {node.name: node.body for node in stub.body if isinstance(node, ast.ClassDef)}
    assert public({*functions, *classes}) == public(dir(_native))
    for name, function in functions.items():
        assert arguments(function) == list(inspect.signature(getattr(_native, name)).parameters), name
    for name, body in classes.items():
        native = getattr(_native, name)
        attributes = {node.target.id for node in body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)}
        methods = {node.name: node for node in body if isinstance(node, ast.FunctionDef)}
        assert public({*attributes, *methods}) == public(vars(native)), name
        for method in public(methods):
            assert arguments(methods[method]) == list(inspect.signature(getattr(native, method)).parameters), method


def test_the_example_runs(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "examples/python/intervals.py"), str(tmp_path / "report.html")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "of the intervals" in done.stdout and (tmp_path / "report.html").stat().st_size > 10_000


def test_importing_takes_a_tenth_of_a_second() -> None:
    """CPU time beyond NumPy's own import, the best of five: others may be at work on the machine."""
    script = "import time, {}; a = time.process_time(); import elbo; print(time.process_time() - a)"
    runs = [subprocess.run([sys.executable, "-c", script.format("numpy")], capture_output=True, text=True) for _ in range(5)]
    assert min(float(run.stdout) for run in runs) < 0.1


@pytest.mark.parametrize("module", ["sklearn", "pandas", "tqdm", "arviz", "polars", "pyarrow"])
def test_nothing_but_numpy_is_imported(module: str) -> None:
    script = f"import sys; import elbo; sys.exit({module!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0
