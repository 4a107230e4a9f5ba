//! Every system's claim in its smoke budget, with two seeds.

elbo_core::claim_tests! { elbo_systems_stats::SYSTEMS, seeds [31, 32]; kde_mode_holds: "kde-mode", lsnm_holds: "lsnm" }
