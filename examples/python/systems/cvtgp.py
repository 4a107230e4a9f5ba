import pandas as pd

import elbo

table = pd.read_csv("examples/data/concrete.csv").sample(frac=1, random_state=0)
X, y = table.drop(columns="strength"), table["strength"]

model = elbo.CVTGP(points=30, steps=300).fit(X[:800], y[:800])
mean, sd = model.predict(X[800:], return_std=True)
print(model.evaluate(X[800:], y[800:]))
