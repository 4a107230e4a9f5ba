import pandas as pd

import elbo

series = pd.read_csv("examples/data/classic/airline.csv")
past, future = series[series["year"] < 1959], series[series["year"] >= 1959]

model = elbo.MarkovGP(period=1.0, starts=1).fit(past[["year"]], past["passengers"])
mean, sd = model.predict(future[["year"]], return_std=True)
lower, upper = model.predict_interval(future[["year"]], level=0.9)
print(model.evaluate(future[["year"]], future["passengers"]))
