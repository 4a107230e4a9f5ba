//! Factorisations against naive loops and the laws they must obey, in both number types.

mod cholesky;
mod decompositions;
mod products;
mod support;
mod threads;
mod triangular;
