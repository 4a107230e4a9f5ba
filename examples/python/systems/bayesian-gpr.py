import pandas as pd

import elbo

table = pd.read_csv("examples/data/uci/yacht.csv.gz").sample(frac=1, random_state=0)
X, y = table.drop(columns=["resistance", "split"]), table["resistance"]

model = elbo.BayesianGPR(chains=2, warmup=100, draws=100).fit(X[:60], y[:60])
mean, sd = model.predict(X[60:], return_std=True)
print(model.evaluate(X[60:], y[60:]))
print(model.tables_["posterior"])     # with R-hat and effective draws
hyperparameters = model.sample(1000)     # draws by name; model.to_arviz() gives the chains
