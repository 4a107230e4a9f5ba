"""JPEG, WebP and AVIF of Pillow on the photographs that `rates` measured, and BD-rates between all curves.

    cargo run --release -p elbo-systems-codec --example rates -- TRAINING TEST 1200 curves.json
    python codec_formats.py TEST curves.json [--plot out.svg]

Rate is bits of all files over all pixels, quality the mean PSNR over pictures, on red, green and blue. JPEG has half the resolution of colour and
optimised Huffman tables; WebP method 6; AVIF speed 6, half the resolution of colour. BD-rate by PCHIP over the common interval of quality,
positive where ours needs more. Prints a table, then one line of JSON.
"""

import argparse
import io
import json
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, features
from scipy.interpolate import PchipInterpolator

FORMATS = {
    "jpeg": (dict(format="JPEG", optimize=True, subsampling=2), [3, 6, 10, 15, 22, 30, 42, 55, 68, 80, 88, 93, 96]),
    "webp": (dict(format="WEBP", method=6), [1, 5, 12, 22, 35, 50, 65, 78, 86, 92, 96, 99]),
    "avif": (dict(format="AVIF", speed=6, subsampling="4:2:0"), [5, 12, 20, 30, 40, 50, 60, 70, 80, 88, 94, 98]),
}


def curve(pictures, options, qualities):
    points = []
    for quality in qualities:
        bits, pixels, decibels = 0, 0, []
        for picture in pictures:
            out = io.BytesIO()
            picture.save(out, quality=quality, **options)
            back = np.asarray(Image.open(io.BytesIO(out.getvalue())).convert("RGB"), float)
            bits += 8 * len(out.getvalue())
            pixels += picture.width * picture.height
            # At most 99 dB, as `rates` has for pictures that come back unchanged.
            error = np.mean((back - np.asarray(picture, float)) ** 2)
            decibels.append(10 * np.log10(255**2 / error) if error > 0 else 99.0)
        points.append([bits / pixels, float(np.mean(decibels))])
    return points


def bd_rate(anchor, test):
    a, b = (np.array(sorted(c, key=lambda p: p[1])) for c in (anchor, test))
    low, high = max(a[0, 1], b[0, 1]), min(a[-1, 1], b[-1, 1])
    if high - low < 1:
        return None
    area = lambda c: PchipInterpolator(c[:, 1], np.log(c[:, 0])).integrate(low, high)
    return float(np.expm1((area(b) - area(a)) / (high - low)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("test", type=Path)
    parser.add_argument("curves", type=Path)
    parser.add_argument("--plot")
    args = parser.parse_args()
    # The files that `rates` reads.
    files = sorted(f for f in args.test.glob("[!.]*") if f.suffix.lower() in {".png", ".jpg", ".jpeg"})
    pictures = [Image.open(f).convert("RGB") for f in files]
    curves = {c["name"]: c["points"] for c in json.loads(args.curves.read_text())}
    ours = list(curves)
    for name, (options, qualities) in FORMATS.items():
        if name == "jpeg" or features.check(name):
            curves[name] = curve(pictures, options, qualities)
    result = {"pictures": [f.name for f in files], "pillow": PIL.__version__, "curves": curves, "bd_rate": {}}
    for own in ours:
        for name in curves:
            if name != own:
                found = bd_rate(curves[name], curves[own])
                result["bd_rate"][f"{own} against {name}"] = found
                print(f"{own} against {name}: " + ("no overlap" if found is None else f"{100 * found:+.1f} %"))
    print(json.dumps(result))
    if args.plot:
        import matplotlib

        matplotlib.use("svg")
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots(figsize=(7, 4.5))
        for name, points in curves.items():
            x, y = np.array(points).T
            axes.plot(x, y, marker="o" if name in ours else None, markersize=4, label=name)
        axes.set(xlabel="bits per pixel", ylabel="PSNR (dB)", xlim=(0, 4))
        axes.grid(alpha=0.3)
        axes.legend()
        figure.tight_layout()
        figure.savefig(args.plot)


if __name__ == "__main__":
    main()
