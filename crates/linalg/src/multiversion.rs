//! Functions compiled twice: for every machine, and for those with wide fused arithmetic, chosen when they run.

/// Defines functions that run with AVX2 and FMA where the machine has them.
///
/// The body is compiled twice. `$fma` is a constant in it: `true` where a fused multiply-add is one instruction, so that
/// `if $fma { a.mul_add(b, c) } else { a * b + c }` never becomes a call. Results of the two agree to rounding. The body must be
/// straight code that LLVM can vectorise; helpers it calls must be `#[inline(always)]`.
///
/// ```
/// elbo_linalg::multiversion! {
///     /// Adds `alpha` times `x` to `y`.
///     fn add_scaled[FMA](alpha: f64, x: &[f64], y: &mut [f64]) {
///         for (y, x) in y.iter_mut().zip(x) {
///             *y = if FMA { alpha.mul_add(*x, *y) } else { alpha * x + *y };
///         }
///     }
/// }
/// let mut y = [1.0; 3];
/// add_scaled(2.0, &[1.0, 2.0, 3.0], &mut y);
/// assert_eq!(y, [3.0, 5.0, 7.0]);
/// ```
#[macro_export]
macro_rules! multiversion {
    ($($(#[$meta:meta])* $vis:vis fn $name:ident[$fma:ident]($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block)*) => {$(
        $(#[$meta])*
        $vis fn $name($($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            #[allow(clippy::extra_unused_type_parameters)]
            fn body<const $fma: bool>($($arg: $ty),*) $(-> $ret)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma")]
                fn wide($($arg: $ty),*) $(-> $ret)? {
                    body::<true>($($arg),*)
                }
                if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
                    // SAFETY: the two features were detected on the line above.
                    #[allow(unsafe_code)]
                    return unsafe { wide($($arg),*) };
                }
            }
            body::<{ cfg!(target_arch = "aarch64") }>($($arg),*)
        }
    )*};
}

#[cfg(test)]
mod tests {
    crate::multiversion! {
        fn squares[FMA](x: &[f64], y: &mut [f64]) -> usize {
            for (y, x) in y.iter_mut().zip(x) {
                *y = if FMA { x.mul_add(*x, 1.0) } else { x * x + 1.0 };
            }
            x.len()
        }
    }

    #[test]
    fn both_compilations_give_the_exact_values() {
        // Of small whole numbers nothing is rounded.
        let x: Vec<f64> = (0..37).map(f64::from).collect();
        let mut y = vec![0.0; 37];
        assert_eq!(squares(&x, &mut y), 37);
        assert!(y.iter().zip(&x).all(|(y, x)| *y == x * x + 1.0));
    }
}
