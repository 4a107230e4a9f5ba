"""`bo`, of the family decision. Written by `apps/python/generate.py`; do not edit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._parts import Choice
from .._verbs import Suggests


class BO(Suggests):
    """Bayesian optimisation.

    What to try next in an experiment whose trials are expensive. A Gaussian process with a Matern-5/2 kernel
    says for every place what value to expect and how sure that is; a score weighs a good expectation against
    an uncertain one, and the place of the largest score is suggested. The default score is the logarithm of
    the expected improvement on the best value so far.

    Needs a table of trials with a numeric target; rows without a target value are pending. Source: Jones, Schonlau and Welch (1998); Ament et al. (2023).

    Parameters
    ----------
    goal : one of minimise, maximise; default 'minimise'
        Whether to `minimise` or to `maximise` the target.
    space : list of table, or none; default None
        What may be varied, a list of variables; the ranges of the data where `null`.
    limits : list of table; default ()
        Limits on other measured columns, such as `{column = "purity", at_least = 0.9}`.
    constraints : list of table; default ()
        Linear limits on the variables themselves, such as `{weights = {acid = 1, base = 1}, at_most = 0.8}`;
        suggestions keep them.
    acquisition : one of log_ei, log_nei, ei, pi, lcb, thompson, knowledge_gradient, max_value_entropy, predictive_entropy, joint_entropy; default 'log_ei'
        The score that chooses: `log_ei`, `log_nei` for noisy trials, `ei`, `pi`, `lcb`, `thompson`,
        `knowledge_gradient`, `max_value_entropy`, `predictive_entropy`, `joint_entropy`.
    schedule : one of practical, study; default 'practical'
        lcb: how the width of the bound grows with the trials: `practical`, β = 0.2 D log(2t), or `study`, β =
        2 log(D t² π² / 0.06).
    batch : one of sampled, believer, liar_min, liar_mean, liar_max, penalise; default 'sampled'
        What the unknown values of pending trials, and of the suggestions before, are taken for: `sampled`,
        `believer`, the best, mean or worst value measured (`liar_min`, `liar_mean`, `liar_max`), or
        `penalise`, by which the score falls around them.
    cost : text, or none; default None
        A column with what each trial cost: what the score expects is divided by what a trial is expected to
        cost.
    cost_power : number; default 1.0
        Power of the expected cost in that division: 1 for improvement a unit of cost, smaller as the budget
        runs out.
    cost_budget : number, or none; default None
        What all trials together may cost, in the unit of `cost`: that power falls in proportion to what is
        left of it, to zero.
    initial : whole number, or none; default None
        Trials before the model takes over; `max(5, 2 D)` where `null`, `max(5, 4 D)` with a `noise_column`.
    design : one of sobol, latin_hypercube, halton, uniform; default 'sobol'
        How these are spread.
    surrogate : one of gp, student_t; default 'gp'
        What is believed about the target: `gp`, a Gaussian process, or `student_t`, one whose scale is
        unknown, which a value far from what was expected makes wider everywhere.
    degrees : number; default 5.0
        student_t: degrees of freedom before the trials, above 2; the fewer, the more the trials tell the
        scale.
    mean : one of arithmetic, median, best, worst, linear, quadratic, forest, rbf, learned; default 'learned'
        The mean function of the surrogate: `learned`, the constant of largest likelihood, `worst`,
        `arithmetic`, `median`, `best`, `linear`, `quadratic`, `forest` or `rbf`.
    output : one of standardise, log, box_cox, yeo_johnson, rank_normal; default 'standardise'
        What happens to values before they are standardised: nothing (`standardise`), `log`, `box_cox`,
        `yeo_johnson` or `rank_normal`.
    noise : number, or none; default None
        Noise variance as a share of the target's variance; learned where `null`.
    noise_column : text, or none; default None
        A column with the standard deviation of each value's noise, in the target's unit; where cells are
        empty the noise is as `noise` says.
    id : text, or none; default None
        A column with a name for each trial; suggestions get new ones.
    starts : whole number at least 1; default 4
        Starting points of the search for hyperparameters.
    iterations : whole number at least 1; default 100
        L-BFGS steps a start, at most.
    maximise : table; default {"raw": 128, "starts": 8, "steps": 100, "enumerate": 2000}
        How hard the best place of the score is looked for.
    trust_region : true or false, or none; default None
        Whether to keep to a trust region around the best trial; with more than 15 variables where `null`.
    samples : whole number; default 128
        Samples of the scores of several points.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'bo'
    _tables = frozenset(['maximise'])

    def __init__(
        self,
        *,
        goal: Choice = 'minimise',
        space: Sequence[Any] | None = None,
        limits: Sequence[Any] = (),
        constraints: Sequence[Any] = (),
        acquisition: Choice = 'log_ei',
        schedule: Choice = 'practical',
        batch: Choice = 'sampled',
        cost: str | None = None,
        cost_power: float = 1.0,
        cost_budget: float | None = None,
        initial: int | None = None,
        design: Choice = 'sobol',
        surrogate: Choice = 'gp',
        degrees: float = 5.0,
        mean: Choice = 'learned',
        output: Choice = 'standardise',
        noise: float | None = None,
        noise_column: str | None = None,
        id: str | None = None,
        starts: int = 4,
        iterations: int = 100,
        maximise: Mapping[str, Any] | None = None,
        trust_region: bool | None = None,
        samples: int = 128,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.goal = goal
        self.space = space
        self.limits = limits
        self.constraints = constraints
        self.acquisition = acquisition
        self.schedule = schedule
        self.batch = batch
        self.cost = cost
        self.cost_power = cost_power
        self.cost_budget = cost_budget
        self.initial = initial
        self.design = design
        self.surrogate = surrogate
        self.degrees = degrees
        self.mean = mean
        self.output = output
        self.noise = noise
        self.noise_column = noise_column
        self.id = id
        self.starts = starts
        self.iterations = iterations
        self.maximise = maximise
        self.trust_region = trust_region
        self.samples = samples
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose
