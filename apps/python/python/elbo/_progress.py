"""Progress of a fit: a bar of tqdm where that is installed, lines of text where they were asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

Watcher = Callable[[str, "str | None", int, float], None]


def watcher(verbose: bool | None, name: str) -> Watcher | None:
    """What is told of the steps; `None` shows a bar for work that takes longer than a second, where there is somebody to see it."""
    if verbose is False:
        return None
    if verbose is None and not (_is_notebook() or sys.stderr.isatty()):
        return None
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return _Lines(name) if verbose else None
    return _Bar(tqdm, name, 0.0 if verbose else 1.0)


def _is_notebook() -> bool:
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell"


class _Bar:
    def __init__(self, tqdm: Any, name: str, delay: float) -> None:
        self._tqdm, self._name, self._delay, self._bar = tqdm, name, delay, None

    def __call__(self, event: str, stage: str | None, count: int, objective: float) -> None:
        if event == "stage":
            self._close()
            label = f"{self._name}: {stage}"
            self._bar = self._tqdm(total=count, desc=label, leave=False, delay=self._delay)
        elif event == "step" and self._bar is not None:
            self._bar.set_postfix_str(f"{objective:.5g}", refresh=False)
            self._bar.update(count - self._bar.n)
        elif event == "done":
            self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class _Lines:
    def __init__(self, name: str) -> None:
        self._name, self._stage = name, ""

    def __call__(self, event: str, stage: str | None, count: int, objective: float) -> None:
        if event == "stage":
            self._stage = stage or ""
        elif event == "step":
            print(f"{self._name}: {self._stage} {count}, {objective:.5g}", file=sys.stderr)
