import elbo

space = [
    {"name": "rate", "type": "real", "low": 1e-4, "high": 1.0, "log": True},
    {"name": "depth", "type": "integer", "low": 1, "high": 8},
]
trials = {"rate": [0.001, 0.01, 0.1, 0.03, 0.3], "depth": [2, 4, 6, 3, 8]}
errors = [0.52, 0.34, 0.31, 0.29, 0.77]

model = elbo.BO(space=space, goal="minimise", starts=2).fit(trials, errors)
print(model.suggest(2))     # the next two trials, and what is expected of them
