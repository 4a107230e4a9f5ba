import pandas as pd

import elbo

series = pd.read_csv("examples/data/classic/mcycle.csv")
X, y = series[["time"]], series["acceleration"]

model = elbo.CVIEPHyperRegressor(rounds=5).fit(X[::2], y[::2])     # Student-t noise; or elbo.CVIEPHyperClassifier
mean, sd = model.predict(X[1::2], return_std=True)
print(model.evaluate(X[1::2], y[1::2]))
