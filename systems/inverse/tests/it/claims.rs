//! The smoke claims hold with seeds that no threshold was chosen with.

elbo_core::claim_tests! { elbo_systems_inverse::SYSTEMS, seeds [31, 32]; ddpm_holds: "ddpm", red_diff_holds: "red-diff" }
