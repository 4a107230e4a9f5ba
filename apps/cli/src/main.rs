//! The program `elbo`.
fn main() {}
