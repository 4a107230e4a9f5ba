import pandas as pd

import elbo

table = pd.read_csv("examples/data/small/diabetes.csv.gz")
X, y = table.drop(columns="progression"), table["progression"]

model = elbo.VBLLRegressor(hidden=(32, 32), rate=0.01, steps=300).fit(X[:200], y[:200])     # or elbo.VBLLClassifier
model.update(X[200:300], y[200:300])
mean, sd = model.predict(X[300:], return_std=True)
print(model.evaluate(X[300:], y[300:]))
features = model.encode(X[300:])
