"""From process start to the first prediction: what a user's script does with a saved scikit-learn model and ten rows.

    python first_prediction.py FOLDER      (the caller times the whole process)
"""

import sys
from pathlib import Path

import joblib
import numpy as np

folder = Path(sys.argv[1])
model = joblib.load(folder / "sklearn.joblib")
mean, deviation = model.predict(np.loadtxt(folder / "rows.csv", delimiter=",", skiprows=1), return_std=True)
for line in zip(mean, deviation):
    print(*line, sep=",")
