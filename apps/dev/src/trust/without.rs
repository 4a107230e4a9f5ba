//! Systems without a posterior that could be judged, and why.

/// The id and the reason.
pub const WITHOUT: [(&str, &str); 8] = [
    (
        "ddpm",
        "draws from the distribution of the data, without unknowns; its restorations are guided draws and estimates, no posterior",
    ),
    (
        "red-diff",
        "an estimate near the most probable picture; the distance from its fixed point under a Gaussian prior is a check of its claim",
    ),
    ("hyperprior", "a codec: its distributions are of symbols, and the length of its files measures them"),
    ("ggm-codec", "a codec: its distributions are of symbols, and the length of its files measures them"),
    ("gs-mcmc", "noise explores the scene while it is fitted; one scene is kept"),
    ("gaussian-splatting", "one scene of largest likelihood"),
    ("kde-mode", "the mode of a density estimate, a point"),
    ("lsnm", "conditional laws of largest penalised likelihood; its verdict comes with a standard error of its own"),
];
