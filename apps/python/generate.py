"""Writes `python/elbo/_systems`, a file with the classes of each registered system, from the built package's registry.

python apps/python/generate.py          write
python apps/python/generate.py --check  only compare
"""

from __future__ import annotations

import json
import keyword
import re
import sys
import textwrap
from pathlib import Path
from typing import Any

from elbo import _native

PLACE = Path(__file__).parent / "python" / "elbo" / "_systems"
#: Parts of ids that are written in capitals.
CAPITALS = set(
    "aevb bo cvhm cvi cvtgp ddpm ep fb ggm gp gpr gpvae gs gvi iwae kde lsnm mcmc nngp rsvi sdd sgpr svgp vbll vi".split()
)
NAMES = {"infovae": "InfoVAE", "markovian-gpvae": "MarkovianGPVAE"}
#: Classifiers that tell two classes apart and no more.
TWO_CLASSES = {"cvi-ep-hyper"}
VERBS = {
    "sample": "Samples",
    "reconstruct": "Reconstructs",
    "encode": "Encodes",
    "evaluate": "Bounds",
    "restore": "Restores",
    "compress": "Compresses",
    "render": "Renders",
    "suggest": "Suggests",
    "update": "Updates",
}
#: Classes of verbs that mean something else where there is a target.
VERBS_OF_TARGETS = {"sample": "Draws"}
WRITTEN = "Written by `apps/python/generate.py`; do not edit."
#: Modules that a system's file may need, and the names it takes from each.
NEEDED = {
    "collections.abc": ["Mapping", "Sequence"],
    "typing": ["Any"],
    ".._parts": ["Choice"],
    ".._tabular": ["Classifier", "Regressor", "Series", "Tabular"],
    ".._verbs": ["Bounds", "Compresses", "Draws", "Encodes", "Points", "Reconstructs", "Renders", "Restores", "Samples", "Suggests", "Updates"],
    "..kernels": ["Kernel"],
}


def class_name(system: str) -> str:
    return NAMES.get(system) or "".join(p.upper() if p in CAPITALS else p.capitalize() for p in system.split("-"))


def default_of(system: str, setting: dict[str, Any]) -> tuple[str, bool]:
    """The default as Python writes it, and whether it is a table that stands as None."""
    name, value = setting["name"], setting["default"]
    if isinstance(value, list):
        return (repr(tuple(value)), False) if all(isinstance(v, (int, float, str)) for v in value) else ("None", True)
    if not isinstance(value, dict):
        return repr(value), False
    kind = value.get("type")
    if kind is not None:
        try:
            if json.loads(_native.check(system, json.dumps({name: kind})))[name] == value:
                return repr(kind), False
        except ValueError:
            pass
    return "None", True


def hint_of(setting: dict[str, Any], is_table: bool) -> str:
    values, optional = setting["values"], is_table
    if values.endswith(", or none"):
        values, optional = values.removesuffix(", or none"), True
    if setting["name"] == "kernel" and "matern52" in values and "product" in values:
        hint = "Kernel | Choice"
    elif values.startswith("whole number"):
        hint = "int"
    elif values.startswith("number"):
        hint = "float"
    elif values == "true or false":
        hint = "bool"
    elif values == "text":
        hint = "str"
    elif values.startswith("list of"):
        hint = {"list of whole number": "Sequence[int]", "list of number": "Sequence[float]"}.get(values, "Sequence[Any]")
    else:
        hint = "Mapping[str, Any]" if values == "table" else "Choice"
    return f"{hint} | None" if optional or setting["default"] is None else hint


def wrapped(text: str, indent: str) -> str:
    return textwrap.fill(
        text.replace("\\", "\\\\"), 110, initial_indent=indent, subsequent_indent=indent, break_long_words=False
    )


def summary(about: str) -> str:
    """The first paragraph under `What it is`, as far as its sentences end in it."""
    _, _, rest = about.partition("## What it is")
    paragraph = rest.strip().split("\n\n")[0]
    if not paragraph or paragraph.startswith(("#", "!", "$$")):
        return ""
    # What a colon leads to, a formula, stands on the page alone; so does a sentence that goes on behind one.
    text = re.sub(r"[:,]$", ".", " ".join(paragraph.split()))
    return text if text.endswith(".") else text[: text.rfind(". ") + 1]


COMMON = [
    ("random_state", "Any", "0", "Seed of everything random: the same seed gives the same model."),
    ("max_time", "float | None", "None", "Seconds after which an iterative fit stops and keeps its best state."),
    ("verbose", "bool | None", "None", "Progress: True, False, or None for a bar where tqdm is installed and somebody looks."),
]


def values_of(setting: dict[str, Any], hint: str) -> str:
    return "expression, table, or a kernel of `elbo.kernels`" if hint.startswith("Kernel") else setting["values"]


def written(system: dict[str, Any], name: str, bases: list[str], body: list[str]) -> str:
    """A class with the system's settings."""
    parameters, docs, stored, tables = [], [], [], []
    for setting in system["settings"]:
        own = setting["name"] + ("_" if keyword.iskeyword(setting["name"]) else "")
        default, is_table = default_of(system["id"], setting)
        hint = hint_of(setting, is_table)
        if is_table:
            tables.append(own)
        parameters.append(f"        {own}: {hint} = {default},")
        shown = json.dumps(setting["default"]) if is_table and setting["default"] else default
        docs.append(f"    {own} : {values_of(setting, hint)}; default {shown}\n{wrapped(setting['help'], ' ' * 8)}")
        stored.append(f"        self.{own} = {own}")
    for own, hint, default, what in COMMON:
        parameters.append(f"        {own}: {hint} = {default},")
        docs.append(f"    {own} : default {default}\n{wrapped(what, ' ' * 8)}")
        stored.append(f"        self.{own} = {own}")
    lines = [f"class {name}({', '.join(bases)}):", f'    """{system["title"]}.', ""]
    if summary(system["about"]):
        lines += [wrapped(summary(system["about"]), "    "), ""]
    lines += [
        f"    Needs {system['needs']}. Source: {system['source']}.",
        "",
        "    Parameters",
        "    ----------",
        *docs,
        '    """',
        "",
    ]
    lines += [f"    _system = {system['id']!r}", *body]
    if tables:
        lines.append(f"    _tables = frozenset({tables!r})")
    lines += ["", "    def __init__(", "        self,", "        *,", *parameters, "    ) -> None:", *stored]
    return "\n".join(lines) + "\n"


def classes_of(system: dict[str, Any]) -> list[tuple[str, str]]:
    """Names and texts of a system's classes."""
    name, verbs = class_name(system["id"]), system["verbs"]
    extra = [VERBS[v] for v in verbs if v in VERBS]
    if system["data"] in ("target", "series"):
        own = [VERBS_OF_TARGETS.get(v, VERBS.get(v)) for v in verbs]
        mixins = [m for m in own if m in ("Updates", "Encodes", "Draws")]
        if not (system["classes"] and system["numbers"]):
            role = "Series" if system["data"] == "series" else "Classifier" if system["classes"] else "Regressor"
            return [(name, written(system, name, [*mixins, role], []))]
        # Both classes have the settings, and the page, of a common base.
        base = f"_{name}"
        body = "    _many_classes = False\n" if system["id"] in TWO_CLASSES else "    pass\n"
        regressor, classifier = f"{name}Regressor", f"{name}Classifier"
        return [
            (base, written(system, base, [*mixins, "Tabular"], [])),
            (regressor, f"class {regressor}({base}, Regressor):\n    pass\n"),
            (classifier, f"class {classifier}({base}, Classifier):\n{body}"),
        ]
    if "compress" in verbs:
        extra.remove("Restores")
    if extra in ([], ["Encodes"]):
        extra.append("Points")
    return [(name, written(system, name, extra, []))]


def imports(text: str) -> str:
    """The imports whose names stand in the code, documentation aside."""
    code = re.sub(r'""".*?"""', "", text, flags=re.DOTALL)
    lines: list[str] = []
    for module, names in NEEDED.items():
        used = [name for name in names if re.search(rf"\b{name}\b", code)]
        if used:
            lines.append(f"from {module} import {', '.join(used)}")
    # The standard library stands apart from the package.
    first = next(i for i, line in enumerate(lines) if line.startswith("from .."))
    return "\n".join([*lines[:first], "", *lines[first:]])


def page(system: dict[str, Any]) -> tuple[str, list[str]]:
    """The file of a system, and the names of the classes it offers."""
    made = classes_of(system)
    classes = "\n\n".join(text for _, text in made)
    head = f'"""`{system["id"]}`, of the family {system["family"]}. {WRITTEN}"""\n\nfrom __future__ import annotations\n\n'
    return f"{head}{imports(classes)}\n\n\n{classes}", [name for name, _ in made if not name.startswith("_")]


def index(offered: dict[str, list[str]]) -> str:
    """The file that gathers the systems' classes, in the registry's order."""
    places = {name: module for module, names in offered.items() for name in names}
    lines = [f'"""The classes of every registered system, each loaded when it is first asked for. {WRITTEN}"""', ""]
    lines += ["from importlib import import_module", "from typing import TYPE_CHECKING, Any", "", "if TYPE_CHECKING:"]
    lines += [f"    from .{module} import {', '.join(names)}" for module, names in offered.items()]
    lines += ["", "__all__ = [", *(f'    "{name}",' for name in places), "]", "", "#: The module of each class."]
    lines += ["_PLACES = {", *(f'    "{name}": "{module}",' for name, module in places.items()), "}", "", ""]
    lines += ["def __getattr__(name: str) -> Any:", "    if name in _PLACES:"]
    lines += ['        return getattr(import_module(f".{_PLACES[name]}", __name__), name)']
    lines += ['    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")']
    return "\n".join(lines) + "\n"


def pages() -> dict[str, str]:
    """All files by name."""
    files: dict[str, str] = {}
    offered: dict[str, list[str]] = {}
    for system in json.loads(_native.systems()):
        module = system["id"].replace("-", "_")
        files[f"{module}.py"], offered[module] = page(system)
    return {"__init__.py": index(offered)} | files


def main() -> int:
    wanted = pages()
    present = {path.name: path.read_text(encoding="utf-8") for path in PLACE.glob("*.py")}
    if "--check" not in sys.argv:
        PLACE.mkdir(exist_ok=True)
        for name, text in wanted.items():
            (PLACE / name).write_text(text, encoding="utf-8")
        for name in present.keys() - wanted.keys():
            (PLACE / name).unlink()
        return 0
    stale = sorted(name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name))
    for name in stale:
        print(f"_systems/{name} is out of date; run `python apps/python/generate.py` and commit it", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
