import pandas as pd

import elbo

table = pd.read_csv("examples/data/small/diabetes.csv.gz")
X, y = table.drop(columns="progression"), table["progression"]

model = elbo.GPR(starts=1).fit(X[:200], y[:200])
mean, sd = model.predict(X[200:], return_std=True)
lower, upper = model.predict_interval(X[200:], level=0.9)
print(model.evaluate(X[200:], y[200:]))     # rmse, nlpd, crps, coverage
print(model.summary_["relevance"])
