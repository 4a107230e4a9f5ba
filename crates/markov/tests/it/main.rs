//! The Markov passes against dense algebra, against each other, and against finite differences.

mod batch;
mod dense;
mod fractional;
mod gradients;
mod information;
mod kernels;
mod likelihoods;
mod problems;
mod root;
mod sampling;
mod scan;
mod sparse;
mod spectra;
mod steady;
mod transitions;
