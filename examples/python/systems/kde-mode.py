import pandas as pd

import elbo

eruptions = pd.read_csv("examples/data/classic/geyser.csv")

model = elbo.KDEMode(starts=20).fit(eruptions)
print(model.summary_["text"])
print(model.tables_)
