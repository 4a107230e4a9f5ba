import pandas as pd

import elbo

table = pd.read_csv("examples/data/small/wdbc.csv.gz")
X, y = table.drop(columns="diagnosis"), table["diagnosis"]

model = elbo.SVGPClassifier(inducing=30, steps=300).fit(X[:400], y[:400])     # or elbo.SVGPRegressor
shares = model.predict_proba(X[400:])     # columns as in model.classes_
print(model.evaluate(X[400:], y[400:]))     # accuracy, log_loss, brier, ece
