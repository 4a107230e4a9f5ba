"""Entropy coders over integer frequency tables: symbols to bytes, and back exactly.

`Table([0.7, 0.2, 0.1])` is what coder and decoder share; on another machine, make it again from its `frequencies`. `table.encode(symbols)`
gives bytes, `table.decode(data, count)` the symbols. Coded bytes have no header: keep the count, and the lanes where they are not the
default.

| I have | use |
|---|---|
| symbols 0 .. K-1 of one table, up to 256 | `Table.encode`, `Table.decode`: rANS with interleaved lanes |
| integers of any size, each with an alphabet of its own | `Alphabet`, `encode_integers`, `decode_integers`: rANS with escapes |
| symbols of larger tables, or of several | `encode_range`, `decode_range`: a range coder |

Damaged, cut or lengthened bytes, and bytes of another table, raise :class:`elbo.DataError`. There is no checksum: the coder notices by
the state in which it ends, which a change leaves as it was about once in two thousand million times.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _arrays, _native
from ._arrays import Floats
from ._parts import reals, whole
from .errors import DataError, SettingError

Integers = npt.NDArray[np.int64]

#: By how much probabilities may miss their sum.
_SUM = 1e-6
#: Most symbols of one call.
_MOST = 2**32 - 1
#: Most symbols of an alphabet, its escape included.
_LARGEST_ALPHABET = 2**16 - 1


class Table:
    """Integer frequencies of the symbols 0 .. K-1, at least one each, with the sum `2^bits`; `bits` from 12 to 24.

    `probabilities: [K]`, with the sum one. A symbol of probability zero can be coded all the same, at a cost of `bits`.
    """

    def __init__(self, probabilities: Any, *, bits: int = 16) -> None:
        bits = whole("bits", bits, 12, 24)
        shares = _shares(probabilities, 2**bits)
        if abs(shares.sum() - 1.0) > _SUM:
            raise SettingError(f"the probabilities have the sum {shares.sum()}", "divide them by their sum")
        self._table, self._bits = _native.Table(shares.tolist(), bits), bits

    @classmethod
    def from_frequencies(cls, frequencies: Any) -> Table:
        """The table of stored frequencies `[K]`."""
        counts, bits = _frequencies(frequencies)
        made = cls.__new__(cls)
        made._table, made._bits = _native.Table.from_frequencies(counts, bits), bits
        return made

    def __len__(self) -> int:
        return len(self._table.frequencies)

    @property
    def bits(self) -> int:
        """The precision: frequencies have the sum `2^bits`."""
        return self._bits

    @property
    def frequencies(self) -> Integers:
        """Frequencies `[K]`."""
        return np.array(self._table.frequencies, np.int64)

    @property
    def costs(self) -> Floats:
        """What each symbol costs, in bits, `[K]`."""
        return _arrays.floats(self._table.costs)

    def encode(self, symbols: Any, *, lanes: int = 4) -> bytes:
        """The bytes of symbols `[N]` of a table of at most 256, in 1, 2, 4 or 8 interleaved lanes of 8 bytes each."""
        self._check_bytes()
        found = _integers("symbols", symbols, 0, len(self) - 1)
        return self._table.encode(found.astype(np.uint8).tobytes(), _lanes(lanes))

    def decode(self, data: bytes, count: int, *, lanes: int = 4) -> Integers:
        """The `count` symbols of what `encode` wrote with as many lanes, `[count]`."""
        self._check_bytes()
        symbols = self._table.decode(bytes(data), whole("count", count, 0, _MOST), _lanes(lanes))
        return np.frombuffer(symbols, np.uint8).astype(np.int64)

    def _check_bytes(self) -> None:
        if len(self) > 256:
            raise DataError(f"the table has {len(self)} symbols", "use `encode_range` for more than 256")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Table) and self._table.frequencies == other._table.frequencies

    def __hash__(self) -> int:
        return hash(tuple(self._table.frequencies))

    def __reduce__(self) -> Any:
        return Table.from_frequencies, (self.frequencies,)

    def __repr__(self) -> str:
        return f"<Table of {len(self)} symbols, {self.bits} bits>"


class Alphabet:
    """Integers `low`, `low + 1`, ... with probabilities of their own, `[K]`; all others share what is left, through an escape.

    `bits` from 12 to 24, and at most 65,534 integers, which fit into 32 bits.
    """

    def __init__(self, low: int, probabilities: Any, *, bits: int = 16) -> None:
        bits = whole("bits", bits, 12, 24)
        # One symbol is the escape's.
        shares = _shares(probabilities, min(2**bits, _LARGEST_ALPHABET) - 1)
        if shares.sum() > 1.0 + _SUM:
            raise SettingError(
                f"the probabilities have the sum {shares.sum()}", "leave a share for other integers, at most 1 in all"
            )
        self._low = whole("low", low, -(2**31), 2**31 - 1 - len(shares))
        self._alphabet = _native.Alphabet(self._low, shares.tolist(), bits)

    @classmethod
    def from_frequencies(cls, low: int, frequencies: Any) -> Alphabet:
        """The alphabet of stored frequencies `[K + 1]`, the escape's at the end."""
        counts, bits = _frequencies(frequencies)
        if not 2 <= len(counts) <= _LARGEST_ALPHABET:
            raise SettingError(f"an alphabet has {len(counts)} frequencies", f"give 2 to {_LARGEST_ALPHABET}")
        made = cls.__new__(cls)
        made._low = whole("low", low, -(2**31), 2**31 - len(counts))
        made._alphabet = _native.Alphabet.from_frequencies(made._low, counts, bits)
        return made

    @property
    def low(self) -> int:
        """The lowest integer with a probability of its own."""
        return self._low

    @property
    def frequencies(self) -> Integers:
        """Frequencies `[K + 1]`, the escape's at the end."""
        return np.array(self._alphabet.frequencies, np.int64)

    def costs(self, values: Any) -> Floats:
        """What integers `[N]` cost, in bits, those of the escape included."""
        found = _integers("values", values, -(2**31), 2**31 - 1)
        return _arrays.floats(self._alphabet.costs(found.astype(np.int32).tobytes()))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Alphabet):
            return False
        return self._low == other._low and self._alphabet.frequencies == other._alphabet.frequencies

    def __hash__(self) -> int:
        return hash((self._low, tuple(self._alphabet.frequencies)))

    def __reduce__(self) -> Any:
        return Alphabet.from_frequencies, (self._low, self.frequencies)

    def __repr__(self) -> str:
        highest = self._low + len(self._alphabet.frequencies) - 2
        return f"<Alphabet of {self._low} to {highest}>"


def encode_integers(values: Any, alphabets: Alphabet | Sequence[Alphabet], which: Any = None, *, lanes: int = 4) -> bytes:
    """The bytes of 32-bit integers `values: [N]` by rANS, in 1 to 8 lanes.

    `values[i]` is coded in `alphabets[which[i]]`; with one alphabet `which` is left out.
    """
    found = _integers("values", values, -(2**31), 2**31 - 1)
    listed, chosen = _choices(alphabets, which, len(found))
    natives = [alphabet._alphabet for alphabet in listed]
    return _native.rans_encode(found.astype(np.int32).tobytes(), chosen, natives, whole("lanes", lanes, 1, 8))


def decode_integers(data: bytes, alphabets: Alphabet | Sequence[Alphabet], which: Any, *, lanes: int = 4) -> Integers:
    """The integers of what :func:`encode_integers` wrote; `which: [N]` as there, or the count for one alphabet."""
    listed, chosen = _choices(alphabets, *_count(which))
    natives = [alphabet._alphabet for alphabet in listed]
    values = _native.rans_decode(bytes(data), chosen, natives, whole("lanes", lanes, 1, 8))
    return np.frombuffer(values, np.int32).astype(np.int64)


def encode_range(symbols: Any, tables: Table | Sequence[Table], which: Any = None) -> bytes:
    """The bytes of `symbols: [N]` by a range coder, `symbols[i]` in `tables[which[i]]`; with one table `which` is left out."""
    found = _integers("symbols", symbols, 0, 2**24 - 1)
    listed, chosen = _choices(tables, which, len(found))
    sizes = np.array([len(table) for table in listed], np.int64)[np.frombuffer(chosen, np.uint16)]
    if (found >= sizes).any():
        at = int(np.flatnonzero(found >= sizes)[0])
        raise DataError(f"symbol {found[at]} at {at} is not among the {sizes[at]} of its table", "number symbols from 0")
    return _native.range_encode(found.astype(np.uint32).tobytes(), chosen, [table._table for table in listed])


def decode_range(data: bytes, tables: Table | Sequence[Table], which: Any) -> Integers:
    """The symbols of what :func:`encode_range` wrote; `which: [N]` as there, or the count for one table."""
    listed, chosen = _choices(tables, *_count(which))
    symbols = _native.range_decode(bytes(data), chosen, [table._table for table in listed])
    return np.frombuffer(symbols, np.uint32).astype(np.int64)


def _count(which: Any) -> tuple[Any, int]:
    """Choices and their number; a number alone is the count for one table."""
    if np.ndim(which) == 0:
        return None, whole("which", which, 0, _MOST)
    return which, len(which)


def _choices(given: Any, which: Any, count: int) -> tuple[list[Any], bytes]:
    """Tables as a list, and for each symbol its table as 16 bits."""
    listed = [given] if isinstance(given, (Table, Alphabet)) else list(given)
    if not 1 <= len(listed) <= 2**16:
        raise DataError(f"there are {len(listed)} tables", "give 1 to 65536")
    if which is None:
        if len(listed) != 1:
            raise DataError(f"there are {len(listed)} tables and no `which`", "say with `which` where each symbol belongs")
        return listed, np.zeros(count, np.uint16).tobytes()
    chosen = _integers("which", which, 0, len(listed) - 1)
    if len(chosen) != count:
        raise DataError(f"there are {count} symbols and {len(chosen)} choices", "give one choice a symbol")
    return listed, chosen.astype(np.uint16).tobytes()


def _integers(name: str, values: Any, low: int, high: int) -> Integers:
    """Whole numbers `[N]` in a range."""
    found = np.asarray(values)
    if found.size == 0:
        found = found.astype(np.int64)
    if found.ndim != 1 or found.dtype.kind not in "iu":
        raise DataError(f"`{name}` is of type {found.dtype} and shape {list(found.shape)}", "give whole numbers, [N]")
    outside = (found < low) | (found > high)
    if outside.any():
        at = int(np.flatnonzero(outside)[0])
        raise DataError(f"`{name}` holds {found[at]} at {at}", f"give whole numbers from {low} to {high}")
    return found.astype(np.int64)


def _shares(probabilities: Any, most: int) -> Floats:
    shares = reals("probabilities", probabilities)
    if shares.ndim != 1 or not 1 <= len(shares) <= most or not np.isfinite(shares).all() or (shares < 0.0).any():
        raise SettingError(
            f"`probabilities` has the shape {list(shares.shape)}",
            f"give 1 to {most} numbers of at least 0, more `bits` allow more",
        )
    return shares


def _frequencies(frequencies: Any) -> tuple[list[int], int]:
    """Frequencies of at least one, and the logarithm of their sum."""
    counts = _integers("frequencies", frequencies, 1, 2**24)
    total = int(counts.sum())
    bits = total.bit_length() - 1
    if total != 2**bits or not 12 <= bits <= 24:
        raise DataError(
            f"the frequencies have the sum {total}", "give those of a table, whose sum is a power of two, 2^12 to 2^24"
        )
    listed: list[int] = counts.tolist()
    return listed, bits


def _lanes(lanes: int) -> int:
    if lanes not in (1, 2, 4, 8):
        raise SettingError(f"setting `lanes` is {lanes!r}", "give 1, 2, 4 or 8")
    return lanes
