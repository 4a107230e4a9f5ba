//! Spaces, surrogates, acquisition functions, designs, ask and tell.
//!
//! | I want | look at |
//! |---|---|
//! | to say what may be varied | [`Space`], [`Variable`], [`Domain`] |
//! | known linear limits on the variables | [`Constraint`], [`Polytope`] |
//! | the trials so far: measured, pending, failed | [`History`] |
//! | first points, before anything is known | [`design`] |
//! | a Gaussian or Student-t process with gradients in its inputs, priors and eight mean functions | [`surrogate`] |
//! | a score for a place: analytic, Monte Carlo, noisy, constrained, pathwise draws, knowledge gradient | [`acquisition`] |
//! | the place where a score is largest, in mixed spaces too | [`maximise`](maximise::maximise) |
//! | the next points, as a function of the history | [`ask`](ask::ask), with a [`Trust`] region in many variables |
//! | a model for the verb `suggest` | [`experiment::Experiment`] |
//! | what pending values are taken for | [`batch::Batch`] |
//! | the settings that systems share | [`settings::Settings`] |
//! | functions with known minima | [`functions`] |
//! | several objectives | [`objectives`] |
//! | the worth of an experiment in nats | [`information`] |
//! | to play against chance, round by round | [`bandit`] |
//! | to plan ahead in a process of several variables | [`planning`] |
//! | regret and its comparison | [`regret`] |
//!
//! Everything inside is minimised; [`History::read`] turns the sign once for an experiment that maximises. Points are *encoded*: a real,
//! integer or ordinal variable is one coordinate in [0, 1], a categorical one is one-hot, scaled so that two categories lie at distance one.
//!
//! There is no state but the history: the same history, settings and seed give the same suggestions.

pub mod acquisition;
pub mod ask;
pub mod bandit;
pub mod batch;
pub mod bound;
mod constraint;
pub mod design;
pub mod experiment;
mod failure;
mod figures;
pub mod functions;
pub mod history;
pub mod information;
pub mod maximise;
pub mod objectives;
pub mod planning;
pub mod projected;
pub mod regret;
pub mod settings;
pub mod space;
pub mod surrogate;
mod table;
pub mod trial_loop;
mod trust;

pub use constraint::{Constraint, Polytope};
pub use failure::FailureModel;
pub use history::{Goal, History, Limit, Outcome, SideColumns};
pub use space::{Domain, Space, Variable, When};
pub use trust::Trust;
