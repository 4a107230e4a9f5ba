"""The documents' examples run, the types hold, and the package is quick to import."""

from __future__ import annotations

import ast
import inspect
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import quick

import elbo
from elbo import _native

ROOT = Path(__file__).parents[3]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
#: Seconds that a block may take: several times what the longest takes in a development build, for machines that are busy.
LIMIT = 60.0


def blocks(page: str) -> list[str]:
    return BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))


def pages() -> list[str]:
    """Every document that holds Python."""
    folders = [ROOT / name for name in ("apps", "benches", "crates", "docs", "examples", "systems")]
    found = [*ROOT.glob("*.md"), *(path for folder in folders for path in folder.rglob("*.md"))]
    return sorted(name for name in (path.relative_to(ROOT).as_posix() for path in found) if blocks(name))


#: The programs that systems' pages show as they are: the site takes them from these files.
PROGRAMS = sorted(path.stem for path in (ROOT / "examples/python/systems").glob("*.py"))


@contextmanager
def limited(what: str, seconds: float = LIMIT) -> Iterator[None]:
    def late(number: int, frame: Any) -> None:
        raise TimeoutError(f"{what} takes more than {seconds:g} s; give it a smaller budget")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def run(block: str, what: str, names: dict[str, Any]) -> None:
    with limited(what):
        exec(compile(block, what, "exec"), names)


def test_pages_have_examples() -> None:
    found = pages()
    assert {"README.md", "docs/python.md"} < set(found) and sum(page.startswith("docs/cookbook/") for page in found) > 3
    assert len(blocks("docs/python.md")) > 10


@pytest.mark.parametrize("page", pages())
def test_the_examples_of_a_page_run(page: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(ROOT)
    # Blocks of one page go on from each other.
    names: dict[str, Any] = {"__name__": "__main__", "OUT": str(tmp_path)}
    for number, block in enumerate(blocks(page), 1):
        run(block, f"{page}, example {number}", names)


@pytest.mark.parametrize("system", PROGRAMS)
def test_the_program_of_a_system_s_page_runs(system: str, monkeypatch: Any) -> None:
    monkeypatch.chdir(ROOT)
    path = f"examples/python/systems/{system}.py"
    run((ROOT / path).read_text(encoding="utf-8"), path, {"__name__": "__main__"})


def test_every_system_has_a_program() -> None:
    assert PROGRAMS == sorted(elbo.systems())


def test_a_block_that_takes_too_long_fails_also_inside_a_fit() -> None:
    x, y = quick.table()
    with pytest.raises(TimeoutError, match="endless takes more than 0.3 s"), limited("endless", 0.3):
        elbo.SVGPRegressor(inducing=15, steps=1_000_000).fit(x, y)


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


def seconds_of(statement: str) -> float:
    """Processor time of a statement in a fresh interpreter, the best of five: others may be at work on the machine."""
    script = f"import time; a = time.process_time(); {statement}; print(time.process_time() - a)"
    command = [sys.executable, "-c", script]
    return min(float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(5))


def test_importing_takes_a_tenth_of_a_second_at_most(record_property: Any) -> None:
    whole = seconds_of("import elbo")
    record_property("seconds of `import elbo`", whole)
    assert whole < 0.1, f"`import elbo` takes {whole:.3f} s"


def test_the_first_class_takes_a_tenth_of_a_second_beside_numpy_s(record_property: Any) -> None:
    first, alone = seconds_of("import elbo; elbo.GPR"), seconds_of("import numpy")
    record_property("seconds of `elbo.GPR`", first)
    record_property("seconds of `import numpy`", alone)
    # All of it is NumPy's import and ours; NumPy's is not ours to shorten.
    assert first - alone < 0.1, f"`elbo.GPR` takes {first:.3f} s, `import numpy` {alone:.3f} s of it"


@pytest.mark.parametrize("module", ["sklearn", "pandas", "tqdm", "arviz", "polars", "pyarrow"])
def test_nothing_but_numpy_is_imported(module: str) -> None:
    script = f"import sys; from elbo import *; sys.exit({module!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0


def test_neither_numpy_nor_the_native_half_is_loaded_before_it_is_needed() -> None:
    script = "import sys, elbo; before = {'numpy', 'elbo._native'} & {*sys.modules}; elbo.GPR; sys.exit(bool(before))"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0


def test_every_name_of_the_package_is_found_and_listed() -> None:
    assert set(elbo.__all__) <= set(dir(elbo)) and {cls.__name__ for cls in quick.classes()} <= set(elbo.__all__)
    assert all(getattr(elbo, name) is not None for name in elbo.__all__)
    assert all(getattr(elbo, cls.__name__) is cls for cls in quick.classes())
    with pytest.raises(AttributeError, match="module 'elbo' has no attribute 'GRP'"):
        elbo.GRP
