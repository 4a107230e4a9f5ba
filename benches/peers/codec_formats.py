"""Rate and quality of JPEG, WebP and AVIF of Pillow on some pictures, as one JSON object; of JPEG XL too where `cjxl` and `djxl` are
installed (Debian: libjxl-tools), and the bits per pixel of PNG, which loses nothing.

    python codec_formats.py PICTURE ... > formats.json

The curves of each picture, and under `curves` those of all: bits of all files over all pixels, and the mean PSNR over pictures, on red,
green and blue. JPEG has half the resolution of colour and optimised Huffman tables; WebP method 6; AVIF speed 6, half the resolution of
colour; JPEG XL effort 7. `systems/codec/examples/rates.rs` draws the curves of all beside ours and compares those of each.
"""

import argparse
import io
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, features

FORMATS = {
    "jpeg": (dict(format="JPEG", optimize=True, subsampling=2), [3, 6, 10, 15, 22, 30, 42, 55, 68, 80, 88, 93, 96]),
    "webp": (dict(format="WEBP", method=6), [1, 5, 12, 22, 35, 50, 65, 78, 86, 92, 96, 99]),
    "avif": (dict(format="AVIF", speed=6, subsampling="4:2:0"), [5, 12, 20, 30, 40, 50, 60, 70, 80, 88, 94, 98]),
}


# Distances of JPEG XL, 1 of which is hardly seen.
DISTANCES = [12, 8, 6, 4, 3, 2, 1.5, 1, 0.7, 0.5, 0.3, 0.2]


def pillow(options):
    def through(picture, quality):
        out = io.BytesIO()
        picture.save(out, quality=quality, **options)
        return len(out.getvalue()), Image.open(io.BytesIO(out.getvalue()))

    return through


def jpeg_xl(picture, distance):
    with tempfile.TemporaryDirectory() as folder:
        given, file, back = (str(Path(folder) / name) for name in ("given.png", "file.jxl", "back.png"))
        picture.save(given)
        for command in (["cjxl", given, file, "-d", str(distance), "-e", "7"], ["djxl", file, back]):
            subprocess.run(command, check=True, capture_output=True)
        return Path(file).stat().st_size, Image.open(back).copy()


def png(pictures):
    def size(picture):
        out = io.BytesIO()
        picture.save(out, format="PNG", optimize=True)
        return len(out.getvalue())

    return 8 * sum(map(size, pictures)) / sum(p.width * p.height for p in pictures)


def curve(picture, through, qualities):
    pixels, points = picture.width * picture.height, []
    for quality in qualities:
        size, back = through(picture, quality)
        back = np.asarray(back.convert("RGB"), float)
        # At most 99 dB, as we have for pictures that come back unchanged.
        error = np.mean((back - np.asarray(picture, float)) ** 2)
        points.append([8 * size / pixels, float(10 * np.log10(255**2 / error)) if error > 0 else 99.0])
    return points


def average(pixels, curves):
    """The curve of all pictures: bits over all pixels, and the mean quality."""
    curves = np.asarray(curves)
    rates = np.average(curves[:, :, 0], axis=0, weights=pixels)
    return np.stack([rates, curves[:, :, 1].mean(axis=0)], axis=1).tolist()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("pictures", type=Path, nargs="+")
    files = parser.parse_args().pictures
    pictures = [Image.open(f).convert("RGB") for f in files]
    codecs = {}
    for name, (options, qualities) in FORMATS.items():
        if name == "jpeg" or features.check(name):
            codecs[name] = (pillow(options), qualities)
        else:
            print(f"{name}: left out, Pillow was built without it", file=sys.stderr)
    if shutil.which("cjxl") and shutil.which("djxl"):
        codecs["jpeg-xl"] = (jpeg_xl, DISTANCES)
    else:
        print("jpeg-xl: left out, cjxl and djxl are not installed", file=sys.stderr)
    pixels = [picture.width * picture.height for picture in pictures]
    each = [{name: curve(picture, *codec) for name, codec in codecs.items()} for picture in pictures]
    found = {
        "pictures": [{"name": f.name, "pixels": n, "curves": c} for f, n, c in zip(files, pixels, each)],
        "pillow": PIL.__version__,
        "png": png(pictures),
        "curves": {name: average(pixels, [c[name] for c in each]) for name in codecs},
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
