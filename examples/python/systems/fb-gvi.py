import pandas as pd

import elbo

table = pd.read_csv("examples/data/small/iris.csv.gz").sample(frac=1, random_state=0)
X, y = table.drop(columns="species"), table["species"]

model = elbo.FBGVIClassifier(steps=300).fit(X[:100], y[:100])     # or elbo.FBGVIRegressor
shares = model.predict_proba(X[100:])
print(model.evaluate(X[100:], y[100:]))
weights = model.sample(1000)     # draws by name, for standardised inputs
