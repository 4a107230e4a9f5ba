//! Operators that look at pixels one by one, or in blocks.

use super::Operator;
use elbo_core::{Allowed, Error, Result, Rng, ensure};

/// Some of the numbers of a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Mask {
    kept: Vec<usize>,
    input: usize,
}

impl Mask {
    /// The numbers whose entry is true.
    ///
    /// # Errors
    /// [`Error::Data`] when none is.
    pub fn new(is_seen: &[bool]) -> Result<Self> {
        let kept: Vec<usize> = (0..is_seen.len()).filter(|i| is_seen[*i]).collect();
        if kept.is_empty() {
            return Err(Error::data("the mask hides every pixel", "leave at least one pixel to be seen"));
        }
        Ok(Self { kept, input: is_seen.len() })
    }

    /// Every pixel of a picture `[C, H, W]` is hidden in all channels with this probability, but never all.
    ///
    /// # Errors
    /// [`Error::Setting`] for a share outside [0, 1).
    pub fn random([c, h, w]: [usize; 3], hidden: f64, rng: &mut Rng) -> Result<Self> {
        ensure(
            "mask",
            hidden,
            (0.0..1.0).contains(&hidden),
            Allowed::within(0.0..1.0).told("a share of hidden pixels in [0, 1)"),
        )?;
        let mut seen: Vec<bool> = rng.uniforms(h * w).iter().map(|u| *u >= hidden).collect();
        if !seen.contains(&true) {
            seen[0] = true;
        }
        Self::new(&seen.repeat(c))
    }

    /// Which numbers are seen.
    pub fn seen(&self) -> Vec<bool> {
        let mut seen = vec![false; self.input];
        self.kept.iter().for_each(|i| seen[*i] = true);
        seen
    }
}

impl Operator for Mask {
    fn input(&self) -> usize {
        self.input
    }

    fn output(&self) -> usize {
        self.kept.len()
    }

    fn apply(&self, x: &[f64]) -> Vec<f64> {
        self.kept.iter().map(|i| x[*i]).collect()
    }

    fn pullback(&self, _: &[f64], v: &[f64]) -> Vec<f64> {
        let mut x = vec![0.0; self.input];
        self.kept.iter().zip(v).for_each(|(i, v)| x[*i] = *v);
        x
    }
}

/// A smaller picture: the mean of each block of `factor` × `factor` pixels, which is a box blur followed by every `factor`-th pixel.
#[derive(Debug, Clone, PartialEq)]
pub struct Shrink {
    shape: [usize; 3],
    factor: usize,
}

impl Shrink {
    /// For pictures `[C, H, W]`.
    ///
    /// # Errors
    /// [`Error::Setting`] when the factor does not divide both sides.
    pub fn new(shape: [usize; 3], factor: usize) -> Result<Self> {
        let divides = factor >= 1 && shape[1].is_multiple_of(factor) && shape[2].is_multiple_of(factor);
        ensure(
            "factor",
            format!("{factor} for {} x {} pixels", shape[1], shape[2]),
            divides,
            "a divisor of both sides",
        )?;
        Ok(Self { shape, factor })
    }

    /// `[C, H, W]` of the smaller picture.
    pub fn small(&self) -> [usize; 3] {
        [self.shape[0], self.shape[1] / self.factor, self.shape[2] / self.factor]
    }

    /// The small pixel of a large one.
    fn owner(&self, i: usize) -> usize {
        let [_, h, w] = self.shape;
        let [_, small_h, small_w] = self.small();
        let (c, y, x) = (i / (h * w), i / w % h, i % w);
        (c * small_h + y / self.factor) * small_w + x / self.factor
    }
}

impl Operator for Shrink {
    fn input(&self) -> usize {
        self.shape.iter().product()
    }

    fn output(&self) -> usize {
        self.small().iter().product()
    }

    fn apply(&self, x: &[f64]) -> Vec<f64> {
        let mut y = vec![0.0; self.output()];
        x.iter().enumerate().for_each(|(i, v)| y[self.owner(i)] += v);
        let share = 1.0 / (self.factor * self.factor) as f64;
        y.iter_mut().for_each(|v| *v *= share);
        y
    }

    fn pullback(&self, _: &[f64], v: &[f64]) -> Vec<f64> {
        let share = 1.0 / (self.factor * self.factor) as f64;
        (0..self.input()).map(|i| share * v[self.owner(i)]).collect()
    }
}

/// A grey picture of a colour one, with the weights of ITU-R BT.601.
#[derive(Debug, Clone, PartialEq)]
pub struct Grey {
    area: usize,
}

const GREY: [f64; 3] = [0.299, 0.587, 0.114];

impl Grey {
    /// For pictures `[3, H, W]`.
    ///
    /// # Errors
    /// [`Error::Data`] for pictures of another number of channels.
    pub fn new([c, h, w]: [usize; 3]) -> Result<Self> {
        if c != 3 {
            return Err(Error::data(
                format!("the pictures have {c} channels"),
                "colours come back to pictures of 3 channels",
            ));
        }
        Ok(Self { area: h * w })
    }
}

impl Operator for Grey {
    fn input(&self) -> usize {
        3 * self.area
    }

    fn output(&self) -> usize {
        self.area
    }

    fn apply(&self, x: &[f64]) -> Vec<f64> {
        (0..self.area).map(|i| (0..3).map(|c| GREY[c] * x[c * self.area + i]).sum()).collect()
    }

    fn pullback(&self, _: &[f64], v: &[f64]) -> Vec<f64> {
        (0..3 * self.area).map(|i| GREY[i / self.area] * v[i % self.area]).collect()
    }
}

/// A picture J seen through haze with transmission t under the light A: J t + A (1 - t).
#[derive(Debug, Clone, PartialEq)]
pub struct Haze {
    transmission: Vec<f64>,
    light: Vec<f64>,
}

impl Haze {
    /// `transmission: [H W]` in (0, 1] for all channels, `light: [C]`.
    ///
    /// # Errors
    /// [`Error::Data`] for transmissions outside (0, 1], or without light.
    pub fn new(transmission: &[f64], light: &[f64]) -> Result<Self> {
        let holds = !transmission.is_empty() && !light.is_empty() && transmission.iter().all(|t| *t > 0.0 && *t <= 1.0);
        if !holds {
            return Err(Error::data(
                "haze needs a light, and transmissions in (0, 1]",
                "check the map of transmissions",
            ));
        }
        Ok(Self { transmission: transmission.to_vec(), light: light.to_vec() })
    }

    fn at(&self, i: usize) -> (f64, f64) {
        (self.transmission[i % self.transmission.len()], self.light[i / self.transmission.len()])
    }
}

impl Operator for Haze {
    fn input(&self) -> usize {
        self.transmission.len() * self.light.len()
    }

    fn output(&self) -> usize {
        self.input()
    }

    fn apply(&self, x: &[f64]) -> Vec<f64> {
        let one = |(i, v): (usize, &f64)| {
            let (t, light) = self.at(i);
            v * t + light * (1.0 - t)
        };
        x.iter().enumerate().map(one).collect()
    }

    fn pullback(&self, _: &[f64], v: &[f64]) -> Vec<f64> {
        v.iter().enumerate().map(|(i, v)| v * self.at(i).0).collect()
    }

    fn is_linear(&self) -> bool {
        false
    }
}

/// A picture that is brightened and cut off: min(max(gain · x, low), high). The derivative is zero where it is cut off.
#[derive(Debug, Clone, PartialEq)]
pub struct Clip {
    input: usize,
    gain: f64,
    low: f64,
    high: f64,
}

impl Clip {
    /// For pictures of `input` numbers.
    ///
    /// # Errors
    /// [`Error::Setting`] for a gain of zero or bounds in the wrong order.
    pub fn new(input: usize, gain: f64, (low, high): (f64, f64)) -> Result<Self> {
        ensure("gain", gain, gain != 0.0 && gain.is_finite() && low < high, "a number but 0, between rising bounds")?;
        Ok(Self { input, gain, low, high })
    }
}

impl Operator for Clip {
    fn input(&self) -> usize {
        self.input
    }

    fn output(&self) -> usize {
        self.input
    }

    fn apply(&self, x: &[f64]) -> Vec<f64> {
        x.iter().map(|v| (self.gain * v).clamp(self.low, self.high)).collect()
    }

    fn pullback(&self, x: &[f64], v: &[f64]) -> Vec<f64> {
        let inside = |x: f64| self.gain * x > self.low && self.gain * x < self.high;
        x.iter().zip(v).map(|(x, v)| if inside(*x) { self.gain * v } else { 0.0 }).collect()
    }

    fn is_linear(&self) -> bool {
        false
    }
}

/// One operator after another.
pub struct Chain {
    first: Box<dyn Operator>,
    next: Box<dyn Operator>,
}

impl Chain {
    /// `next` after `first`, whose sizes must fit.
    pub fn new(first: Box<dyn Operator>, next: Box<dyn Operator>) -> Self {
        assert_eq!(first.output(), next.input(), "the operators of a chain do not fit");
        Self { first, next }
    }
}

impl Operator for Chain {
    fn input(&self) -> usize {
        self.first.input()
    }

    fn output(&self) -> usize {
        self.next.output()
    }

    fn apply(&self, x: &[f64]) -> Vec<f64> {
        self.next.apply(&self.first.apply(x))
    }

    fn pullback(&self, x: &[f64], v: &[f64]) -> Vec<f64> {
        // What a linear operator does not look at need not be computed.
        let between = if self.next.is_linear() { vec![] } else { self.first.apply(x) };
        self.first.pullback(x, &self.next.pullback(&between, v))
    }

    fn is_linear(&self) -> bool {
        self.first.is_linear() && self.next.is_linear()
    }
}
