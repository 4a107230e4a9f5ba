"""Exact and sparse regression in GPyTorch, and their fit to convergence."""

import contextlib
import warnings

import common

torch = common.torch_f64()
warnings.filterwarnings("ignore", category=FutureWarning)
import gpytorch


def cholesky():
    """GPyTorch's exact route: Cholesky at every size, no conjugate gradients, no Lanczos."""
    stack = contextlib.ExitStack()
    stack.enter_context(gpytorch.settings.fast_computations(False, False, False))
    stack.enter_context(gpytorch.settings.max_cholesky_size(1_000_000))
    return stack


def low_rank():
    """GPyTorch's exact route for a sparse model: Woodbury's identity and Cholesky of `[M, M]`. Without its own `log_prob`, it would factorise
    the `[N, N]` matrix, to the same value."""
    stack = contextlib.ExitStack()
    stack.enter_context(gpytorch.settings.fast_computations(False, True, False))
    stack.enter_context(gpytorch.settings.max_cholesky_size(1_000_000))
    return stack


class Regression(gpytorch.models.ExactGP):
    """Kernel `variance * base` with one lengthscale per input; `inducing: [M, D]` makes it SGPR."""

    def __init__(self, x, y, base, lengthscale, constant_mean=False, inducing=None):
        likelihood = gpytorch.likelihoods.GaussianLikelihood(noise_constraint=gpytorch.constraints.GreaterThan(1e-6))
        super().__init__(torch.as_tensor(x), torch.as_tensor(y), likelihood)
        self.mean_module = gpytorch.means.ConstantMean() if constant_mean else gpytorch.means.ZeroMean()
        inputs = x.shape[1]
        base = {"rbf": gpytorch.kernels.RBFKernel, "matern52": gpytorch.kernels.MaternKernel}[base](ard_num_dims=inputs)  # Matérn defaults to 5/2.
        self.scale = gpytorch.kernels.ScaleKernel(base)
        self.scale.outputscale = common.VARIANCE
        base.lengthscale = lengthscale
        likelihood.noise = common.NOISE
        self.covar_module = self.scale
        if inducing is not None:
            self.covar_module = gpytorch.kernels.InducingPointKernel(self.scale, torch.as_tensor(inducing), likelihood)
        # Not by attribute: the objective holds the model, and a module inside itself never ends its walks.
        self.__dict__["objective"] = gpytorch.mlls.ExactMarginalLogLikelihood(likelihood, self)

    def forward(self, x):
        return gpytorch.distributions.MultivariateNormal(self.mean_module(x), self.covar_module(x))

    def loss(self):
        """Negative log marginal likelihood divided by N, as GPyTorch defines it."""
        return -self.objective(self(self.train_inputs[0]), self.train_targets)

    def log_gradient(self):
        """The last backward pass, by (log variance, log lengthscales, log noise), of the undivided objective."""
        parts = []
        for raw, constraint, value in [
            (self.scale.raw_outputscale, self.scale.raw_outputscale_constraint, self.scale.outputscale),
            (self.scale.base_kernel.raw_lengthscale, self.scale.base_kernel.raw_lengthscale_constraint, self.scale.base_kernel.lengthscale),
            (self.likelihood.noise_covar.raw_noise, self.likelihood.noise_covar.raw_noise_constraint, self.likelihood.noise),
        ]:
            inner = raw.detach().clone().requires_grad_()
            (slope,) = torch.autograd.grad(constraint.transform(inner).sum(), inner)
            parts.append((raw.grad / slope * value.detach()).reshape(-1))
        return (len(self.train_targets) * torch.cat(parts)).tolist()


def fit_lbfgs(model, tolerance=1e-9, most=2000):
    """L-BFGS with a strong Wolfe search until the loss per datum changes by less than `tolerance`. Returns evaluations."""
    model.train()
    evaluations = 0
    optimiser = torch.optim.LBFGS(model.parameters(), lr=1.0, max_iter=most, max_eval=2 * most, history_size=10,
                                  tolerance_grad=1e-7, tolerance_change=tolerance, line_search_fn="strong_wolfe")

    def closure():
        nonlocal evaluations
        evaluations += 1
        optimiser.zero_grad()
        loss = model.loss()
        loss.backward()
        return loss

    optimiser.step(closure)
    return evaluations


def fit_adam(model, tolerance=1e-5, rate=0.1, window=50, most=1000):
    """Adam at the rate of GPyTorch's tutorials until the best loss per datum gains less than `tolerance` in `window` steps."""
    model.train()
    optimiser = torch.optim.Adam(model.parameters(), lr=rate)
    best, since, anchor = float("inf"), 0, float("inf")
    for step in range(1, most + 1):
        optimiser.zero_grad()
        loss = model.loss()
        loss.backward()
        optimiser.step()
        best = min(best, loss.item())
        since += 1
        if since == window:
            if anchor - best < tolerance:
                return step
            anchor, since = best, 0
    return most
