//! Branch-free exp, log and tanh, which loops vectorise. Errors are a few units in the last place; see the tests.
//!
//! They use plain multiplications and additions (no fused ones), so that every machine gives the same bits.

/// Adding and subtracting this rounds a double to the nearest integer, which then stands in its low bits.
const ROUND_F64: f64 = 6_755_399_441_055_744.0; // 1.5 * 2^52
const ROUND_F32: f32 = 12_582_912.0; // 1.5 * 2^23

/// e^x by 2^k e^r with |r| <= log(2)/2 and a polynomial of degree 13.
#[inline(always)]
pub fn exp_f64(x: f64) -> f64 {
    const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    let clamped = if x > 709.8 { 709.8 } else { x };
    let clamped = if clamped < -745.2 { -745.2 } else { clamped };
    let shifted = clamped * std::f64::consts::LOG2_E + ROUND_F64;
    let k = shifted - ROUND_F64;
    let r = (clamped - k * LN2_HIGH) - k * LN2_LOW;
    // Pairs, then pairs of pairs (Estrin): a short chain of dependent operations matters more than their number.
    let (r2, r4) = (r * r, (r * r) * (r * r));
    let a = (0.5 + r * (1.0 / 6.0)) + r2 * (1.0 / 24.0 + r * (1.0 / 120.0));
    let b = (1.0 / 720.0 + r * (1.0 / 5_040.0)) + r2 * (1.0 / 40_320.0 + r * (1.0 / 362_880.0));
    let c = (1.0 / 3_628_800.0 + r * (1.0 / 39_916_800.0)) + r2 * (1.0 / 479_001_600.0 + r * (1.0 / 6_227_020_800.0));
    let p = 1.0 + (r + r2 * (a + r4 * (b + r4 * c)));
    // 2^k in two factors, so that subnormal results and the largest ones come out right.
    let bits = shifted.to_bits() as i64;
    let k = (bits << 32) >> 32;
    let half = k_half(k);
    let y = p * pow2_f64(half) * pow2_f64(k - half);
    let y = if x > 709.782_712_893_384 { f64::INFINITY } else { y };
    if x.is_nan() { x } else { y }
}

/// Half of a small integer, without a 64-bit arithmetic shift (which AVX2 lacks).
#[inline(always)]
fn k_half(k: i64) -> i64 {
    (((k + 4096) as u64) >> 1) as i64 - 2048
}

#[inline(always)]
fn pow2_f64(k: i64) -> f64 {
    f64::from_bits(((k + 1023) as u64) << 52)
}

/// log x by the exponent and an odd series in (m - 1)/(m + 1).
#[inline(always)]
pub fn ln_f64(x: f64) -> f64 {
    const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    let subnormal = x < f64::MIN_POSITIVE;
    let scaled = if subnormal { x * 18_014_398_509_481_984.0 } else { x }; // 2^54
    let bits = scaled.to_bits();
    // Mantissa in [sqrt(1/2), sqrt(2)).
    let shifted = bits.wrapping_sub(0x3fe6_a09e_667f_3bcd);
    let exponent_bits = (shifted >> 52) & 0xfff;
    // The exponent is a signed 12-bit number; flipping its sign bit makes it 2048 + exponent.
    let e = f64::from_bits((exponent_bits ^ 0x800) | 0x4330_0000_0000_0000) - 4_503_599_627_370_496.0 - 2048.0;
    let m = f64::from_bits(bits.wrapping_sub(shifted & 0xfff0_0000_0000_0000));
    let e = if subnormal { e - 54.0 } else { e };
    let f = m - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let w = z * z;
    let t1 = w * (3.999_999_999_940_942e-1 + w * (2.222_219_843_214_978_4e-1 + w * 1.531_383_769_920_937_3e-1));
    let t2 = z
        * (6.666_666_666_666_735e-1
            + w * (2.857_142_874_366_239e-1 + w * (1.818_357_216_161_805e-1 + w * 1.479_819_860_511_658_6e-1)));
    let half = 0.5 * f * f;
    let y = e * LN2_HIGH - ((half - (s * (half + (t1 + t2)) + e * LN2_LOW)) - f);
    let y = if x == f64::INFINITY { x } else { y };
    let y = if x == 0.0 { f64::NEG_INFINITY } else { y };
    if x < 0.0 || x.is_nan() { f64::NAN } else { y }
}

/// log(1 + u) for u in [0, 1], accurate also for tiny u.
#[inline(always)]
pub fn ln_1p_unit_f64(u: f64) -> f64 {
    let w = 1.0 + u;
    ln_f64(w) + (u - (w - 1.0)) / w
}

/// tanh by a rational function near zero and by exp elsewhere (Cephes).
#[inline(always)]
pub fn tanh_f64(x: f64) -> f64 {
    let a = x.abs();
    let z = x * x;
    let p = (-9.643_991_794_250_523e-1 * z - 9.928_772_310_019_186e1) * z - 1.614_687_684_417_084_5e3;
    let q = ((z + 1.128_116_784_916_329_3e2) * z + 2.235_488_390_601_004_5e3) * z + 4.844_063_053_251_255e3;
    let small = x + x * z * (p / q);
    let large = 1.0 - 2.0 / (exp_f64(2.0 * a) + 1.0);
    let large = large.copysign(x);
    if a < 0.625 { small } else { large }
}

/// Single-precision e^x.
#[inline(always)]
pub fn exp_f32(x: f32) -> f32 {
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let clamped = if x > 88.8 { 88.8 } else { x };
    let clamped = if clamped < -104.0 { -104.0 } else { clamped };
    let shifted = clamped * std::f32::consts::LOG2_E + ROUND_F32;
    let k = shifted - ROUND_F32;
    let r = (clamped - k * LN2_HIGH) - k * LN2_LOW;
    let r2 = r * r;
    let a = (0.5 + r * (1.0 / 6.0)) + r2 * (1.0 / 24.0 + r * (1.0 / 120.0));
    let b = 1.0 / 720.0 + r * (1.0 / 5_040.0);
    let p = 1.0 + (r + r2 * (a + (r2 * r2) * b));
    let k = ((shifted.to_bits() as i32) << 9) >> 9;
    let half = k >> 1;
    let y = p * pow2_f32(half) * pow2_f32(k - half);
    let y = if x > 88.722_84 { f32::INFINITY } else { y };
    if x.is_nan() { x } else { y }
}

#[inline(always)]
fn pow2_f32(k: i32) -> f32 {
    f32::from_bits(((k + 127) as u32) << 23)
}

/// Single-precision logarithm.
#[inline(always)]
pub fn ln_f32(x: f32) -> f32 {
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let subnormal = x < f32::MIN_POSITIVE;
    let scaled = if subnormal { x * 33_554_432.0 } else { x }; // 2^25
    let bits = scaled.to_bits();
    let shifted = bits.wrapping_sub(0x3f35_04f3);
    let e = ((shifted as i32) >> 23) as f32;
    let m = f32::from_bits(bits.wrapping_sub(shifted & 0xff80_0000));
    let e = if subnormal { e - 25.0 } else { e };
    let f = m - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let series = z * (0.666_666_6 + z * (0.400_010_2 + z * (0.284_987_9 + z * 0.242_790_8)));
    let half = 0.5 * f * f;
    let y = e * LN2_HIGH - ((half - (s * (half + series) + e * LN2_LOW)) - f);
    let y = if x == f32::INFINITY { x } else { y };
    let y = if x == 0.0 { f32::NEG_INFINITY } else { y };
    if x < 0.0 || x.is_nan() { f32::NAN } else { y }
}

/// Single-precision log(1 + u) for u in [0, 1].
#[inline(always)]
pub fn ln_1p_unit_f32(u: f32) -> f32 {
    let w = 1.0 + u;
    ln_f32(w) + (u - (w - 1.0)) / w
}

/// Single-precision tanh.
#[inline(always)]
pub fn tanh_f32(x: f32) -> f32 {
    let a = x.abs();
    let z = x * x;
    let p = (((-5.704_988_7e-3 * z + 2.063_909e-2) * z - 5.373_971_6e-2) * z + 1.333_144_2e-1) * z - 3.333_328e-1;
    let small = x + x * z * p;
    let large = 1.0 - 2.0 / (exp_f32(2.0 * a) + 1.0);
    let large = large.copysign(x);
    if a < 0.625 { small } else { large }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relative(found: f64, exact: f64) -> f64 {
        if found == exact || found.is_nan() && exact.is_nan() { 0.0 } else { ((found - exact) / exact).abs() }
    }

    #[test]
    fn they_agree_with_the_standard_library_to_a_few_units() {
        let points = (0..40_001).map(|i| -20.0 + 1e-3 * i as f64).chain([-1e-300, 1e-9, -1e-9, 300.0, -700.0, 709.7]);
        for x in points {
            assert!(relative(exp_f64(x), x.exp()) < 6e-16, "exp {x}");
            assert!(relative(tanh_f64(x), x.tanh()) < 8e-16, "tanh {x}");
            let positive = x.exp();
            assert!(relative(ln_f64(positive), positive.ln()) < 6e-16, "log {positive}");
            let unit = positive.min(1.0);
            assert!(relative(ln_1p_unit_f64(unit), unit.ln_1p()) < 6e-16, "log1p {unit}");
            let s = x as f32;
            assert!(relative(exp_f32(s) as f64, (s as f64).exp()) < 3e-7 || s.abs() > 87.0, "exp {s}");
            assert!(relative(tanh_f32(s) as f64, (s as f64).tanh()) < 4e-7 || s == 0.0, "tanh {s}");
            let p = s.clamp(-80.0, 80.0).exp();
            assert!((ln_f32(p) as f64 - (p as f64).ln()).abs() < 2e-7 * (p as f64).ln().abs().max(1.0), "log {p}");
        }
    }

    #[test]
    fn the_edges_of_the_domain_are_exact() {
        for (x, y) in [(f64::INFINITY, f64::INFINITY), (f64::NEG_INFINITY, 0.0), (0.0, 1.0), (710.0, f64::INFINITY)] {
            assert_eq!(exp_f64(x), y);
            assert_eq!(exp_f32(x as f32) as f64, y);
        }
        assert!(relative(exp_f64(-744.0), (-744f64).exp()) < 1e-15 && exp_f64(-746.0) == 0.0);
        assert!(exp_f64(f64::NAN).is_nan() && ln_f64(f64::NAN).is_nan() && tanh_f64(f64::NAN).is_nan());
        assert!(ln_f64(-1.0).is_nan() && ln_f32(-1.0).is_nan());
        assert_eq!((ln_f64(0.0), ln_f64(f64::INFINITY), ln_f64(1.0)), (f64::NEG_INFINITY, f64::INFINITY, 0.0));
        assert_eq!((ln_f32(0.0), ln_f32(1.0)), (f32::NEG_INFINITY, 0.0));
        assert!(relative(ln_f64(5e-324), (5e-324f64).ln()) < 1e-15);
        assert_eq!((tanh_f64(40.0), tanh_f64(-1e9), tanh_f32(20.0)), (1.0, -1.0, 1.0));
    }
}
