//! Variational and Gaussian probabilistic machine learning: the library's face and the registry.
