//! Pictures on surfaces.

/// What lies beyond an edge of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrap {
    /// The picture again.
    Repeat,
    /// The picture the other way round.
    Mirror,
    /// The pixels of the edge.
    Clamp,
}

/// A picture on a surface.
#[derive(Debug, Clone, PartialEq)]
pub struct Texture {
    /// Columns of pixels, at least one.
    pub width: usize,
    /// Rows of pixels, at least one.
    pub height: usize,
    /// Colours on `[0, 1]` as they are shown, `[H, W]`.
    pub pixels: Vec<[f32; 3]>,
    /// Beyond the sides, and beyond top and bottom.
    pub wrap: [Wrap; 2],
}

impl Texture {
    /// The colour at a place, `(0, 0)` the upper left and `(1, 1)` the lower right corner: linear between the middles of pixels.
    pub fn at(&self, [u, v]: [f64; 2]) -> [f64; 3] {
        let columns = neighbours(u, self.width, self.wrap[0]);
        let mut colour = [0.0; 3];
        for (y, down) in neighbours(v, self.height, self.wrap[1]) {
            for (x, across) in columns {
                let pixel = self.pixels[y * self.width + x];
                (0..3).for_each(|k| colour[k] += down * across * f64::from(pixel[k]));
            }
        }
        colour
    }
}

/// The two pixels around a place along one side, and their weights.
fn neighbours(t: f64, size: usize, wrap: Wrap) -> [(usize, f64); 2] {
    let t = t * size as f64 - 0.5;
    let low = t.floor();
    let share = t - low;
    [(wrap.index(low, size), 1.0 - share), (wrap.index(low + 1.0, size), share)]
}

impl Wrap {
    /// Which of `size` pixels stands at the whole number `k`.
    fn index(self, k: f64, size: usize) -> usize {
        let n = size as f64;
        let inside = match self {
            Self::Repeat => k.rem_euclid(n),
            Self::Mirror => {
                let k = k.rem_euclid(2.0 * n);
                if k >= n { 2.0 * n - 1.0 - k } else { k }
            }
            Self::Clamp => k.clamp(0.0, n - 1.0),
        };
        (inside as usize).min(size - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four columns of 0, 1, 2, 3 in one row.
    fn ramp(wrap: Wrap) -> Texture {
        Texture { width: 4, height: 1, pixels: (0..4).map(|k| [k as f32; 3]).collect(), wrap: [wrap; 2] }
    }

    #[test]
    fn middles_of_pixels_are_met_and_between_them_colours_are_linear() {
        let texture = ramp(Wrap::Clamp);
        for (u, value) in [(0.125, 0.0), (0.375, 1.0), (0.5, 1.5), (0.4375, 1.25), (0.875, 3.0)] {
            assert!((texture.at([u, 0.3])[1] - value).abs() < 1e-12, "{u}");
        }
    }

    #[test]
    fn edges_repeat_mirror_or_stay() {
        for (wrap, before, after) in [(Wrap::Repeat, 3.0, 0.0), (Wrap::Mirror, 0.0, 3.0), (Wrap::Clamp, 0.0, 3.0)] {
            let texture = ramp(wrap);
            assert_eq!((texture.at([-0.125, 0.5])[0], texture.at([1.125, 0.5])[0]), (before, after), "{wrap:?}");
        }
        assert_eq!(ramp(Wrap::Mirror).at([1.375, 0.5])[0], 2.0);
        assert_eq!(ramp(Wrap::Repeat).at([-7.625, 0.5])[0], 1.0);
        // Far beyond what a place can mean, there is still a pixel.
        assert!(ramp(Wrap::Repeat).at([1e300, -1e300])[0].is_finite());
    }
}
