"""LPIPS and percep by their definitions in plain Python, with weights from formulas: the numbers of tests/it/perceptual.rs. LPIPS is on
networks of few channels, whose arrays have the names of the large ones.

    python make_perceptual.py alex|vgg|percep           by plain Python
    python make_perceptual.py alex|vgg|percep --torch   by plain Python and by torch in double precision, which must agree
"""

import math
import sys

# Index, filter size, stride, padding, pooling (window, stride) before it, whether its answers are compared.
ALEX = [(0, 11, 4, 2, None, True), (3, 5, 1, 2, (3, 2), True), (6, 3, 1, 1, (3, 2), True), (8, 3, 1, 1, None, True), (10, 3, 1, 1, None, True)]
VGG = [(i, 3, 1, 1, (2, 2) if i in (5, 10, 17, 24) else None, i in (2, 7, 14, 21, 28)) for i in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)]
# Pooling is the mean, not the largest.
PERCEP = [(0, 3, 1, 1, None, True), (1, 3, 1, 1, (2, 2), True), (2, 3, 1, 1, (2, 2), True)]
PLANS = {"alex": (ALEX, 35, 33), "vgg": (VGG, 17, 18), "percep": (PERCEP, 9, 14)}
SHIFT, SCALE = [-0.030, -0.088, -0.188], [0.458, 0.448, 0.450]


def layers(name, plan):
    before, out = 3, []
    for place, (i, size, stride, padding, pool, tap) in enumerate(plan):
        channels = 16 << place if name == "percep" else 2 + place % 3
        scale = math.sqrt(3.0 / (before * size * size))
        filters = [scale * math.sin(0.7 * k + i) for k in range(channels * before * size * size)]
        bias = [0.1 * math.cos(k + i) for k in range(channels)]
        out.append((filters, bias, size, stride, padding, pool, tap))
        before = channels
    return out


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def pooled(x, window, stride, taken):
    h, w = len(x[0]), len(x[0][0])
    rows, columns = range(0, h - window + 1, stride), range(0, w - window + 1, stride)
    return [[[taken(c[i + a][j + b] for a in range(window) for b in range(window)) for j in columns] for i in rows] for c in x]


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


def features(x, name, net):
    shift, scale = ([0.0] * 3, [1.0] * 3) if name == "percep" else (SHIFT, SCALE)
    x, taps = [[[(2.0 * v - 1.0 - shift[c]) / scale[c] for v in row] for row in x[c]] for c in range(3)], []
    for filters, bias, size, stride, padding, pool, tap in net:
        if pool:
            x = pooled(x, *pool, mean if name == "percep" else max)
        x = convolved(x, filters, bias, size, stride, padding)
        if tap:
            taps.append(x)
    return taps


def unit(answers, i, j):
    vector = [plane[i][j] for plane in answers]
    length = math.sqrt(sum(v * v for v in vector)) + 1e-10
    return [v / length for v in vector]


def weight(name, layer, channel):
    """What the square of a difference counts: in percep all are 1, halved for the cosine and averaged over three scales."""
    return 0.5 / 3.0 if name == "percep" else 0.5 + 0.4 * math.sin(channel + 2.0 * layer)


def distance(x, y, name, net):
    total = 0.0
    for k, (a, b) in enumerate(zip(features(x, name, net), features(y, name, net))):
        h, w = len(a[0]), len(a[0][0])
        for i in range(h):
            for j in range(w):
                pairs = zip(unit(a, i, j), unit(b, i, j))
                total += sum((p - q) ** 2 * weight(name, k, c) for c, (p, q) in enumerate(pairs)) / (h * w)
    return total


def torch_distance(x, y, name, net):
    import torch
    import torch.nn.functional as F

    def answers(x):
        x, taps = 2.0 * torch.tensor([x], dtype=torch.float64) - 1.0, []
        if name != "percep":
            channels = [torch.tensor(v, dtype=torch.float64).reshape(1, 3, 1, 1) for v in (SHIFT, SCALE)]
            x = (x - channels[0]) / channels[1]
        for filters, bias, size, stride, padding, pool, tap in net:
            if pool:
                x = (F.avg_pool2d if name == "percep" else F.max_pool2d)(x, pool[0], pool[1])
            filters = torch.tensor(filters, dtype=torch.float64).reshape(len(bias), -1, size, size)
            x = F.relu(F.conv2d(x, filters, torch.tensor(bias, dtype=torch.float64), stride=stride, padding=padding))
            if tap:
                taps.append(x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10))
        return taps

    total = 0.0
    for k, (a, b) in enumerate(zip(answers(x), answers(y))):
        weights = torch.tensor([weight(name, k, c) for c in range(a.shape[1])], dtype=torch.float64)
        total += float(((a - b).square() * weights.reshape(1, -1, 1, 1)).sum(1).mean())
    return torch.__version__, total


def picture(h, w, formula):
    return [[[formula((c * h + i) * w + j) for j in range(w)] for i in range(h)] for c in range(3)]


if __name__ == "__main__":
    name = sys.argv[1]
    plan, h, w = PLANS[name]
    net = layers(name, plan)
    x = picture(h, w, lambda k: 0.5 + 0.5 * math.sin(0.37 * k))
    y = picture(h, w, lambda k: 0.5 + 0.5 * math.sin(0.37 * k + 0.4 * math.cos(0.11 * k)))
    found = distance(x, y, name, net)
    print(name, h, w, round(found, 9))
    if "--torch" in sys.argv:
        version, other = torch_distance(x, y, name, net)
        print("torch", version, round(other, 9))
        assert abs(found - other) < 1e-9
