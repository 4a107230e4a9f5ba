import pandas as pd

import elbo

table = pd.read_csv("examples/data/uci/yacht.csv.gz").sample(frac=1, random_state=0)
X, y = table.drop(columns=["resistance", "split"]), table["resistance"]

model = elbo.ScaleMixtureNNGPRegressor(starts=1, iterations=20).fit(X[:120], y[:120])     # or elbo.ScaleMixtureNNGPClassifier
mean, sd = model.predict(X[120:], return_std=True)
print(model.evaluate(X[120:], y[120:]))
novelty = model.encode(X[120:])["novelty"]     # how unlike the training rows each one is
