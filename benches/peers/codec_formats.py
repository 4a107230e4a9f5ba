"""Rate and quality of JPEG, WebP and AVIF of Pillow on some pictures, as one JSON object.

    python codec_formats.py PICTURE ... > formats.json

Rate is bits of all files over all pixels, quality the mean PSNR over pictures, on red, green and blue. JPEG has half the resolution of colour and
optimised Huffman tables; WebP method 6; AVIF speed 6, half the resolution of colour. `systems/codec/examples/rates.rs` draws these curves beside
ours and compares them.
"""

import argparse
import io
import json
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, features

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
            # At most 99 dB, as we have for pictures that come back unchanged.
            error = np.mean((back - np.asarray(picture, float)) ** 2)
            decibels.append(10 * np.log10(255**2 / error) if error > 0 else 99.0)
        points.append([bits / pixels, float(np.mean(decibels))])
    return points


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("pictures", type=Path, nargs="+")
    files = parser.parse_args().pictures
    pictures = [Image.open(f).convert("RGB") for f in files]
    curves = {
        name: curve(pictures, *how) for name, how in FORMATS.items() if name == "jpeg" or features.check(name)
    }
    print(json.dumps({"pictures": [f.name for f in files], "pillow": PIL.__version__, "curves": curves}))


if __name__ == "__main__":
    main()
