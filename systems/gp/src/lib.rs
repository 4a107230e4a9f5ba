//! Published Gaussian-process systems, one file each.
