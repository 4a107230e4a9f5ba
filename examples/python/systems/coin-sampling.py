import pandas as pd

import elbo

table = pd.read_csv("examples/data/small/diabetes.csv.gz")
X, y = table.drop(columns="progression"), table["progression"]

model = elbo.CoinSamplingRegressor(steps=200).fit(X[:300], y[:300])     # or elbo.CoinSamplingClassifier
mean, sd = model.predict(X[300:], return_std=True)
print(model.evaluate(X[300:], y[300:]))
weights = model.sample(1000)
