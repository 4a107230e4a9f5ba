import pandas as pd

import elbo

eruptions = pd.read_csv("examples/data/classic/geyser.csv")     # which of two columns is the cause?

model = elbo.LSNM(resamples=10, permutations=99).fit(eruptions)
print(model.summary_["text"])
print(model.summary_["metrics"])
