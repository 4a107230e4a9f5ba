"""Writes src/special/tables.rs: Chebyshev coefficients of the functions that have no simpler series.

Run in this folder: python3 make_chebyshev.py > ../../src/special/tables.rs  (mpmath 1.3.0, 60 digits)
"""
import mpmath as mp

mp.mp.dps = 60


def coefficients(f, n=64, floor=mp.mpf(10) ** -18):
    nodes = [mp.cos(mp.pi * (k + mp.mpf(1) / 2) / n) for k in range(n)]
    values = [f(t) for t in nodes]
    c = [2 / mp.mpf(n) * sum(v * mp.cos(j * mp.pi * (k + mp.mpf(1) / 2) / n) for k, v in enumerate(values)) for j in range(n)]
    c[0] /= 2
    while abs(c[-1]) < floor * abs(c[0]):
        c.pop()
    return c


def table(name, doc, values):
    print(f"/// {doc}")
    print(f"pub(super) const {name}: [f64; {len(values)}] = [")
    for v in values:
        print(f"    {float(v)!r},")
    print("];\n")


def scaled(t):
    # x = 3.75 (1 + t) / (1 - t); the limit at infinity is 2 / sqrt(pi).
    x = mp.mpf("3.75") * (1 + t) / (1 - t)
    return (1 + 2 * x) * mp.exp(x * x) * mp.erfc(x) if x < 1000 else (1 + 2 * x) / (x * mp.sqrt(mp.pi)) * (
        1 - 1 / (2 * x**2) + 3 / (4 * x**4) - 15 / (8 * x**6) + 105 / (16 * x**8))


root = mp.findroot(mp.digamma, mp.mpf("1.4616321449683622"))
high = mp.mpf(float(root))


def digamma_slope(t):
    x = (3 + t) / 2
    return mp.digamma(x) / (x - root)


print("//! Chebyshev coefficients on [-1, 1]; `tests/golden/make_chebyshev.py` writes this file.\n")
table("ERF", "`erf(x) / x` in `t = 2 x^2 - 1`, for `|x| <= 1`.",
      coefficients(lambda t: mp.erf(mp.sqrt((1 + t) / 2)) / mp.sqrt((1 + t) / 2)))
table("ERFCX", "`(1 + 2 x) exp(x^2) erfc(x)` in `t = (x - 3.75) / (x + 3.75)`, for `x >= 0`.", coefficients(scaled))
table("DIGAMMA", "`digamma(x) / (x - root)` in `t = 2 x - 3`, for `1 <= x <= 2`.", coefficients(digamma_slope))
print("/// The positive root of digamma, as a sum of two numbers.")
print(f"pub(super) const DIGAMMA_ROOT: [f64; 2] = [{float(root)!r}, {float(root - high)!r}];\n")
zeta = [mp.zeta(k) - 1 for k in range(2, 30)]
table("ZETA_MINUS_ONE", "`zeta(k) - 1` for k = 2, 3, ...", zeta)
table("BERNOULLI", "The Bernoulli numbers `B_2, B_4, ...`.", [mp.bernoulli(2 * k) for k in range(1, 13)])
