"""What `pip install` is given: the settings of maturin."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SETTINGS = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
#: A text of a source that climbs out of a folder.
OUTSIDE = re.compile(r'"((?:\.\./)+[\w./-]*)"')


def compiled_in() -> set[Path]:
    """Files and folders outside of their package that the sources of the library name."""
    found = set()
    for package in [*ROOT.glob("crates/*"), *ROOT.glob("systems/*"), ROOT / "apps/elbo", ROOT / "apps/python"]:
        for source in (package / "src").rglob("*.rs"):
            for macro in re.findall(r"include_(?:bytes|str)!\(.*", source.read_text(encoding="utf-8")):
                for text in OUTSIDE.findall(macro):
                    path = (source.parent / text).resolve()
                    if not path.is_relative_to(package):
                        found.add(path)
    return found


def test_a_source_distribution_holds_what_is_compiled_in() -> None:
    patterns = re.findall(r'\{ path = "([^"]*)", format = "sdist" \}', SETTINGS)
    held = {path for pattern in patterns for path in ROOT.glob(pattern)}
    named = compiled_in()
    assert named, "the sources are read wrongly"
    for path in named:
        assert path in held or (path.is_dir() and set(path.iterdir()) <= held), f"{path} is not in the source distribution"
    for pattern in patterns:
        folder = ROOT / pattern.removesuffix("/*")
        assert folder / "SOURCE.md" in held and any(path.is_relative_to(folder) for path in named), pattern


def test_the_paths_of_the_settings_lead_somewhere() -> None:
    for path in re.findall(r'^(?:manifest-path|python-source|readme) = "(.*)"$', SETTINGS, re.MULTILINE):
        assert (ROOT / path).exists(), path
    module = re.search(r'^module-name = "(.*)\.(.*)"$', SETTINGS, re.MULTILINE)
    assert module is not None
    library = (ROOT / "apps/python/src/lib.rs").read_text(encoding="utf-8")
    assert f'#[pymodule(name = "{module[2]}")]' in library
    assert (ROOT / "apps/python/python" / module[1] / f"{module[2]}.pyi").exists()


def test_one_wheel_serves_every_python_and_needs_numpy_alone() -> None:
    workspace = (ROOT / "Cargo.toml").read_text(encoding="utf-8")
    features = re.search(r"^pyo3 = \{.*features = \[(.*)\].*\}$", workspace, re.MULTILINE)
    least = re.search(r'^requires-python = ">=3\.(\d+)"$', SETTINGS, re.MULTILINE)
    assert features is not None and least is not None
    assert f'"abi3-py3{least[1]}"' in features[1], "the oldest Python is not that of the stable interface"
    assert '\nname = "elbo-ml"\n' in SETTINGS
    needs = re.search(r"^dependencies = \[(.*)\]$", SETTINGS, re.MULTILINE)
    assert needs is not None and re.findall(r'"([\w.-]+)[^"]*"', needs[1]) == ["numpy"]
