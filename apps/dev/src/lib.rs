//! Developer tools of the `elbo` workspace, behind the program `elbo-dev`.
//!
//! | module | command | what it does |
//! |---|---|---|
//! | [`layers`] | `layers` | fails on a dependency that points sideways or up |
//! | [`supply`] | `supply` | fails on a licence, a source, a library or unsafe code that is not accounted for |
//! | [`generate`](mod@generate) | `generate` | writes `docs/systems.md` from the registry; `--check` for CI |
//! | [`site`] | `generate` | builds the site from the documents, and follows every link of both |
//! | [`peers`] | `peers all` | times and scores the peers and us on the same data, writes `docs/benchmarks.md` and the picture of all ratios |
//! | [`stamp`](mod@stamp) | | the day and the commit of a measurement, as the documents say them |
//! | [`timing`] | `time WORK` | our side of one timing |
//! | [`results`](mod@results) | `results` | writes measured claims into `docs/results.md` |
//! | [`accuracy`] | `accuracy` | our scores beside GPyTorch's on fixed splits, in `docs/benchmarks.md` |
//! | [`scale`] | `scale` | time and memory of fits to many rows, in `docs/benchmarks.md` |
//! | [`percep`] | `percep` | trains the network behind the perceptual distance `percep`, and writes its weights |
//! | [`trust`] | `trust` | whether systems are as sure as they may be: calibration, exact answers, coverage, in `docs/trust.md` |

pub mod accuracy;
pub mod cargo;
pub mod error;
pub mod files;
pub mod generate;
pub mod layers;
pub mod markers;
pub mod peers;
pub mod percep;
pub mod results;
pub mod scale;
pub mod site;
pub mod stamp;
pub mod supply;
pub mod tables;
pub mod timing;
pub mod trust;

pub use error::{DevError, Result};
