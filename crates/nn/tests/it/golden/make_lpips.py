"""LPIPS by its definition in plain Python, on networks of few channels with weights from formulas: the numbers of tests/it/perceptual.rs.

    python make_lpips.py alex|vgg
"""

import math
import sys

# Index, filter size, stride, padding, pooling (window, stride) before it, whether its answers are compared.
ALEX = [(0, 11, 4, 2, None, True), (3, 5, 1, 2, (3, 2), True), (6, 3, 1, 1, (3, 2), True), (8, 3, 1, 1, None, True), (10, 3, 1, 1, None, True)]
VGG = [(i, 3, 1, 1, (2, 2) if i in (5, 10, 17, 24) else None, i in (2, 7, 14, 21, 28)) for i in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)]


def layers(plan):
    before, out = 3, []
    for place, (i, size, stride, padding, pool, tap) in enumerate(plan):
        channels = 2 + place % 3
        scale = math.sqrt(3.0 / (before * size * size))
        filters = [scale * math.sin(0.7 * k + i) for k in range(channels * before * size * size)]
        bias = [0.1 * math.cos(k + i) for k in range(channels)]
        out.append((filters, bias, size, stride, padding, pool, tap))
        before = channels
    return out


def pooled(x, window, stride):
    h, w = len(x[0]), len(x[0][0])
    rows, columns = range(0, h - window + 1, stride), range(0, w - window + 1, stride)
    return [[[max(c[i + a][j + b] for a in range(window) for b in range(window)) for j in columns] for i in rows] for c in x]


def convolved(x, filters, bias, size, stride, padding):
    h, w, count = len(x[0]), len(x[0][0]), len(x)
    rows, columns = range(-padding, h + padding - size + 1, stride), range(-padding, w + padding - size + 1, stride)
    out = []
    for o in range(len(bias)):
        plane = []
        for i in rows:
            line = []
            for j in columns:
                total = bias[o]
                for c in range(count):
                    for a in range(max(0, -i), min(size, h - i)):
                        row, at = x[c][i + a], ((o * count + c) * size + a) * size
                        for b in range(max(0, -j), min(size, w - j)):
                            total += filters[at + b] * row[j + b]
                line.append(max(total, 0.0))
            plane.append(line)
        out.append(plane)
    return out


def features(x, net):
    shift, scale, taps = [-0.030, -0.088, -0.188], [0.458, 0.448, 0.450], []
    x = [[[(2.0 * v - 1.0 - shift[c]) / scale[c] for v in row] for row in x[c]] for c in range(3)]
    for filters, bias, size, stride, padding, pool, tap in net:
        if pool:
            x = pooled(x, *pool)
        x = convolved(x, filters, bias, size, stride, padding)
        if tap:
            taps.append(x)
    return taps


def unit(answers, i, j):
    vector = [plane[i][j] for plane in answers]
    length = math.sqrt(sum(v * v for v in vector)) + 1e-10
    return [v / length for v in vector]


def distance(x, y, net):
    total = 0.0
    for k, (a, b) in enumerate(zip(features(x, net), features(y, net))):
        h, w = len(a[0]), len(a[0][0])
        for i in range(h):
            for j in range(w):
                pairs = zip(unit(a, i, j), unit(b, i, j))
                total += sum((p - q) ** 2 * (0.5 + 0.4 * math.sin(c + 2.0 * k)) for c, (p, q) in enumerate(pairs)) / (h * w)
    return total


def picture(h, w, formula):
    return [[[formula((c * h + i) * w + j) for j in range(w)] for i in range(h)] for c in range(3)]


if __name__ == "__main__":
    plan, h, w = (ALEX, 35, 33) if sys.argv[1] == "alex" else (VGG, 17, 18)
    x = picture(h, w, lambda k: 0.5 + 0.5 * math.sin(0.37 * k))
    y = picture(h, w, lambda k: 0.5 + 0.5 * math.sin(0.37 * k + 0.4 * math.cos(0.11 * k)))
    print(sys.argv[1], h, w, round(distance(x, y, layers(plan)), 9))
