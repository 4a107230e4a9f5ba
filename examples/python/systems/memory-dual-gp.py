import pandas as pd

import elbo

table = pd.read_csv("examples/data/small/diabetes.csv.gz")
X, y = table.drop(columns="progression"), table["progression"]

model = elbo.MemoryDualGPRegressor(inducing=30, batches=2, rounds=1).fit(X[:200], y[:200])     # or elbo.MemoryDualGPClassifier
model.update(X[200:300], y[200:300])     # the earlier rows are not needed any more
mean, sd = model.predict(X[300:], return_std=True)
print(model.evaluate(X[300:], y[300:]))
