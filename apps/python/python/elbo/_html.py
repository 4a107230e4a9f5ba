"""Hearts of reports for notebooks, where there is no report: draws, approximations, models from files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

#: Rows of a table that are shown.
_SHOWN = 20


def heart(headline: str, sentences: Sequence[str], rows: Mapping[str, Mapping[str, float]], warnings: Sequence[str] = ()) -> str:
    """A headline, sentences, warnings, and a table of numbers by row and column."""
    lines = ["".join(f"<div>{escape(sentence)}</div>" for sentence in sentences)]
    lines += [f'<div style="color:#b26a00">{escape(warning)}</div>' for warning in warnings]
    columns = list(next(iter(rows.values()), {}))
    if columns:
        head = "".join(f"<th>{escape(name)}</th>" for name in ["", *columns])
        body = "".join(_row(name, [cells[column] for column in columns]) for name, cells in list(rows.items())[:_SHOWN])
        lines.append(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")
    if len(rows) > _SHOWN:
        lines.append(f"<div>and {len(rows) - _SHOWN} more</div>")
    return f'<div style="max-width:760px;line-height:1.45"><strong>{escape(headline)}</strong>{"".join(lines)}</div>'


def _row(name: str, cells: Sequence[float]) -> str:
    return f"<tr><th>{escape(name)}</th>{''.join(f'<td>{cell:.4g}</td>' for cell in cells)}</tr>"
