"""What can go wrong, as exceptions. The words are the program's; `remedy` says what to change."""

from __future__ import annotations

import sys
import warnings
from typing import Any


class Error(Exception):
    """Base of everything that elbo raises."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}; {self.remedy}" if self.remedy else self.message


class DataError(Error, ValueError):
    """The data cannot be used as they are."""


class SettingError(Error, ValueError):
    """A setting is outside its range or of the wrong type."""


class UnknownError(Error, ValueError):
    """A name that nothing answers to."""


class VerbError(Error, AttributeError):
    """A verb that this system's models do not offer."""


class NumericalError(Error, ArithmeticError):
    """Arithmetic failed."""


class FileError(Error, OSError):
    """A file cannot be read or written."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy)
        # `OSError` takes two arguments for a number and its text.
        self.errno, self.strerror = None, message


class ModelFileError(Error, ValueError):
    """A file that is no model file, or is damaged, or of a newer format."""


class StoppedError(Error, RuntimeError):
    """The work was stopped before there was anything to keep."""


class InternalError(Error, RuntimeError):
    """A bug of elbo itself; the line that Rust has printed says where."""


class NotFittedError(Error, ValueError, AttributeError):
    """The object was asked for something that needs `fit` first."""


class ReadWarning(UserWarning):
    """Something about how a file was read that the user should know."""


class FitWarning(UserWarning):
    """Something about a fit that the user should know."""


class VerbWarning(UserWarning):
    """Something about what a verb of a fitted model gave, such as a prediction far from the data, that the user should know."""


class StoppedEarlyWarning(FitWarning):
    """A fit was stopped before it had finished; its best state was kept."""


_KINDS: dict[str, type[Error]] = {
    "data": DataError,
    "setting": SettingError,
    "unknown": UnknownError,
    "verb": VerbError,
    "numerical": NumericalError,
    "file": FileError,
    "model_file": ModelFileError,
    "stopped": StoppedError,
    "bug": InternalError,
}


def warn(text: str, category: type[Warning]) -> None:
    """A warning at the user's own line, however deep in the package it arises."""
    frame, depth = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] == "elbo":
        frame, depth = frame.f_back, depth + 1
    warnings.warn(text, category, stacklevel=depth)


def caution(texts: list[str]) -> None:
    """Warns of what a verb of a fitted model had to tell; called by the native half, once the work is done."""
    for text in texts:
        warn(text, VerbWarning)


def tell(told: dict[str, Any], kept: str) -> None:
    """What a run had to tell, as warnings; `kept` says what is left of one that Ctrl-C ended."""
    for text in told["warnings"]:
        warn(text, FitWarning)
    if told["interrupted"]:
        warn(f"stopped by Ctrl-C; {kept}", StoppedEarlyWarning)


def of_kind(kind: str, message: str, remedy: str) -> Error:
    """The exception for a cause that the native half names."""
    return _KINDS.get(kind, Error)(message, remedy)


def not_fitted(name: str) -> Error:
    """The exception for an object without a model; also scikit-learn's own where that is in use."""
    remedy = "call `fit` first"
    theirs = getattr(sys.modules.get("sklearn.exceptions"), "NotFittedError", None)
    if theirs is None:
        return NotFittedError(f"this {name} is not fitted yet", remedy)
    both = type("NotFittedError", (NotFittedError, theirs), {})
    made: Error = both(f"this {name} is not fitted yet", remedy)
    return made
