"""Cameras of the photographs of `tabletop`: structure from motion by COLMAP, in half a minute on one core.

    elbo data get tabletop
    python tabletop_poses.py PHOTOGRAPHS SCENE
    elbo fit gs-mcmc SCENE --set test_every=2

PHOTOGRAPHS is the folder that `elbo data get` names. SCENE gets COLMAP's undistorted pictures in `images` and its model in `sparse`. Of the eighty frames
0, 4, 8, ... are for fitting and 2, 6, 10, ... for judging; their names make the second kind every other one, which `test_every=2` keeps back. All
of them take part in finding the cameras, as is usual. One line of JSON says how well the cameras fit.

Needs pycolmap 4.2.1. Its search for the first two pictures is random; the seed is fixed.
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path

import pycolmap

parser = argparse.ArgumentParser()
parser.add_argument("photographs", type=Path)
parser.add_argument("scene", type=Path)
options = parser.parse_args()

frames = sorted(options.photographs.glob("image.*.png"))
if len(frames) != 80:
    parser.error(f"{options.photographs} does not hold the 80 frames; run `elbo data get tabletop`")
pycolmap.set_random_seed(0)
with tempfile.TemporaryDirectory() as folder:
    work = Path(folder)
    (work / "images").mkdir()
    for k in range(0, len(frames), 4):
        shutil.copy(frames[k], work / "images" / f"{k:02}.train.png")
        shutil.copy(frames[k + 2], work / "images" / f"{k:02}.test.png")
    reader = pycolmap.ImageReaderOptions(camera_model="SIMPLE_RADIAL")
    extraction = pycolmap.FeatureExtractionOptions()
    # Pictures are not enlarged first: some 500 features each do.
    extraction.sift.first_octave = 0
    extraction.sift.max_num_features = 1500
    pycolmap.extract_features(
        work / "all.db",
        work / "images",
        camera_mode=pycolmap.CameraMode.SINGLE,
        reader_options=reader,
        extraction_options=extraction,
    )
    pairing = pycolmap.SequentialPairingOptions()
    pairing.overlap = 7
    pairing.quadratic_overlap = False
    pycolmap.match_sequential(work / "all.db", pairing_options=pairing)
    models = pycolmap.incremental_mapping(work / "all.db", work / "images", work)
    best = max(models.values(), key=lambda model: model.num_reg_images())
    (work / "best").mkdir()
    best.write(work / "best")
    pycolmap.undistort_images(options.scene, work / "best", work / "images")
camera = next(iter(best.cameras.values()))
print(
    json.dumps(
        {
            "pictures": len(frames) // 2,
            "registered": best.num_reg_images(),
            "points": best.num_points3D(),
            "error_px": round(best.compute_mean_reprojection_error(), 3),
            "focal_px": round(camera.params[0], 1),
            "distortion": round(camera.params[3], 4),
        }
    )
)
