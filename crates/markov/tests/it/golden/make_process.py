"""Process covariances of Matérn processes of rate one, `Q(u) = P - A P A'`, in 200-digit arithmetic (mpmath), since `Q` is as small as 1e-70.

    python make_process.py > process.csv
"""

import mpmath as mp

mp.mp.dps = 200
print(f"# mpmath {mp.__version__}, 200 digits: order p, gap, entries of Q row by row")
for p in range(6):
    n = p + 1
    drift = mp.zeros(n)
    for i in range(p):
        drift[i, i + 1] = 1
    for j in range(n):
        drift[p, j] = -mp.binomial(n, j)
    moment = lambda m: mp.gamma(m + mp.mpf(1) / 2) * mp.gamma(p + mp.mpf(1) / 2 - m) / (mp.gamma(mp.mpf(1) / 2) * mp.gamma(p + mp.mpf(1) / 2))
    start = mp.zeros(n)
    for i in range(n):
        for j in range(i % 2, n, 2):
            start[i, j] = (-1) ** (abs(i - j) // 2) * moment((i + j) // 2)
    nilpotent = drift + mp.eye(n)
    for exponent in range(-6, 4):
        gap = mp.mpf(10) ** exponent
        a, power = mp.zeros(n), mp.eye(n)
        for j in range(n):
            a += power * gap**j / mp.factorial(j)
            power = power * nilpotent
        a *= mp.exp(-gap)
        q = start - a * start * a.T
        print(f"{p},{10.0 ** exponent!r}," + ",".join(mp.nstr(q[i, j], 20) for i in range(n) for j in range(n)))
