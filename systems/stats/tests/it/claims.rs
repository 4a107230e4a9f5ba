//! Every system's claim in its smoke budget, with seeds that no threshold was chosen on.

elbo_core::claim_tests! { elbo_systems_stats::SYSTEMS, seeds [31, 32]; kde_mode_holds: "kde-mode" }
