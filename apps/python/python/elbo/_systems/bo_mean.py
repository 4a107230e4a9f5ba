"""`bo-mean`, of the family decision. Written by `apps/python/generate.py`; do not edit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._parts import Choice
from .._verbs import Suggests


class BOMean(Suggests):
    """What do you Mean? The Role of the Mean Function in Bayesian Optimisation.

    A Gaussian process returns to its mean function far from data, so the mean decides how attractive the
    unknown is. With the mean of the observed values, the usual choice, a place far from all trials looks
    average; with the *worst* observed value it looks bad, and the search stays near good trials until these
    are used up. In five or more variables, where everything is far from data, that is the better choice on
    synthetic problems. On real tasks richer means, fitted before the process, can win.

    Needs a table of trials with a numeric target; rows without a target value are pending. Source: De Ath, Fieldsend and Everson, GECCO Companion 2020.

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
    acquisition : one of log_ei, log_nei, ei, pi, lcb, thompson, knowledge_gradient, max_value_entropy, predictive_entropy, joint_entropy; default 'ei'
        The score that chooses: `log_ei`, `log_nei` for noisy trials, `ei`, `pi`, `lcb`, `thompson`,
        `knowledge_gradient`, `max_value_entropy`, `predictive_entropy`, `joint_entropy`.
    schedule : one of practical, study; default 'study'
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
    design : one of sobol, latin_hypercube, halton, uniform; default 'latin_hypercube'
        How these are spread.
    surrogate : one of gp, student_t; default 'gp'
        What is believed about the target: `gp`, a Gaussian process, or `student_t`, one whose scale is
        unknown, which a value far from what was expected makes wider everywhere.
    degrees : number; default 5.0
        student_t: degrees of freedom before the trials, above 2; the fewer, the more the trials tell the
        scale.
    mean : one of arithmetic, median, best, worst, linear, quadratic, forest, rbf, learned; default 'worst'
        The mean function of the surrogate: `learned`, the constant of largest likelihood, `worst`,
        `arithmetic`, `median`, `best`, `linear`, `quadratic`, `forest` or `rbf`.
    output : one of standardise, log, box_cox, yeo_johnson, rank_normal; default 'standardise'
        What happens to values before they are standardised: nothing (`standardise`), `log`, `box_cox`,
        `yeo_johnson` or `rank_normal`.
    noise : number, or none; default 1e-06
        Noise variance as a share of the target's variance; learned where `null`.
    noise_column : text, or none; default None
        A column with the standard deviation of each value's noise, in the target's unit; where cells are
        empty the noise is as `noise` says.
    id : text, or none; default None
        A column with a name for each trial; suggestions get new ones.
    starts : whole number at least 1; default 10
        Starting points of the search for hyperparameters.
    iterations : whole number at least 1; default 100
        L-BFGS steps a start, at most.
    maximise : table; default {"raw": 1000, "starts": 10, "steps": 100, "enumerate": 2000}
        How hard the best place of the score is looked for.
    trust_region : true or false, or none; default None
        Whether to keep to a trust region around the best trial; with more than 15 variables where `null`.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'bo-mean'
    _tables = frozenset(['maximise'])

    def __init__(
        self,
        *,
        goal: Choice = 'minimise',
        space: Sequence[Any] | None = None,
        limits: Sequence[Any] = (),
        constraints: Sequence[Any] = (),
        acquisition: Choice = 'ei',
        schedule: Choice = 'study',
        batch: Choice = 'sampled',
        cost: str | None = None,
        cost_power: float = 1.0,
        cost_budget: float | None = None,
        initial: int | None = None,
        design: Choice = 'latin_hypercube',
        surrogate: Choice = 'gp',
        degrees: float = 5.0,
        mean: Choice = 'worst',
        output: Choice = 'standardise',
        noise: float | None = 1e-06,
        noise_column: str | None = None,
        id: str | None = None,
        starts: int = 10,
        iterations: int = 100,
        maximise: Mapping[str, Any] | None = None,
        trust_region: bool | None = None,
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
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose
