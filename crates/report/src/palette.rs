//! The one palette: ten series colours, the first six of which stay apart for colour-blind readers, the neutral tones, and the ramp of heat maps.
//!
//! Every colour has a value on light and one on dark paper. Figures use classes with literal colours, because programs other
//! than browsers (Inkscape, librsvg) do not know CSS variables; the page around them uses variables made from the same values.

use std::fmt::Write;

/// A tone by its role. Figures name roles, never colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// The series with this number; the eleventh has the colour of the first.
    Series(usize),
    /// Text and data.
    Ink,
    /// Tick labels and references.
    Muted,
    /// Grid lines.
    Grid,
    /// The background.
    Paper,
}

/// Number of distinct series colours.
pub(crate) const SERIES: usize = 10;

/// Class suffix, light value, dark value. Blue, orange, teal, plum, olive, brick: neighbours differ in lightness as well as in hue.
/// Then pink, brown, green, indigo, chosen to be as far as possible from those before them.
const TONES: [(&str, &str, &str); SERIES + 4] = [
    ("0", "#2563a8", "#6ea8e6"),
    ("1", "#d9730d", "#f0a35a"),
    ("2", "#0f8b78", "#4cc4ae"),
    ("3", "#93417f", "#cf8fc0"),
    ("4", "#7d7a12", "#c2bd52"),
    ("5", "#b23a31", "#e88a80"),
    ("6", "#e04fb5", "#f0409c"),
    ("7", "#5a3a12", "#a07a3c"),
    ("8", "#4fa04a", "#96f05a"),
    ("9", "#2e1f96", "#9c6bff"),
    ("t", "#1c2430", "#e6e9ee"),
    ("m", "#5d6876", "#9aa5b3"),
    ("g", "#e3e7ec", "#2c333d"),
    ("p", "#ffffff", "#14181e"),
];

/// Stops of the heat ramp, evenly spaced; lightness rises monotonically, so that it also reads in grey.
const RAMP: [[f64; 3]; 5] =
    [[31.0, 47.0, 86.0], [45.0, 95.0, 147.0], [79.0, 154.0, 160.0], [163.0, 201.0, 154.0], [246.0, 236.0, 184.0]];

impl Tone {
    fn suffix(self) -> &'static str {
        let index = match self {
            Self::Series(n) => n % SERIES,
            Self::Ink => SERIES,
            Self::Muted => SERIES + 1,
            Self::Grid => SERIES + 2,
            Self::Paper => SERIES + 3,
        };
        TONES[index].0
    }

    /// The class that strokes with this tone.
    pub(crate) fn stroke(self) -> String {
        format!("k{}", self.suffix())
    }

    /// The class that fills with this tone.
    pub(crate) fn fill(self) -> String {
        format!("f{}", self.suffix())
    }
}

/// The ramp's colour at `share` in [0, 1].
pub(crate) fn ramp(share: f64) -> String {
    let at = share.clamp(0.0, 1.0) * (RAMP.len() - 1) as f64;
    let below = (at as usize).min(RAMP.len() - 2);
    let t = at - below as f64;
    let channel = |c: usize| (RAMP[below][c] * (1.0 - t) + RAMP[below + 1][c] * t).round() as u8;
    format!("#{:02x}{:02x}{:02x}", channel(0), channel(1), channel(2))
}

/// Style sheet of every figure, with the dark values under `prefers-color-scheme`.
pub(crate) fn figure_css() -> String {
    let mut css = String::from(include_str!("svg/figure.css"));
    let mut dark = String::new();
    for (suffix, light, night) in TONES {
        let _ = writeln!(css, ".fig .k{suffix}{{stroke:{light}}}.fig .f{suffix}{{fill:{light}}}");
        let _ = writeln!(dark, ".fig .k{suffix}{{stroke:{night}}}.fig .f{suffix}{{fill:{night}}}");
    }
    // Print is always on white paper.
    let _ = write!(css, "@media screen and (prefers-color-scheme:dark){{\n{dark}}}\n");
    css
}

/// Custom properties of the page: `--ink`, `--muted`, `--rule`, `--paper`.
pub(crate) fn page_variables() -> String {
    let names = ["ink", "muted", "rule", "paper"];
    let list = |is_night: bool| {
        let tones = names.iter().zip(&TONES[SERIES..]);
        tones.map(|(name, tone)| format!("--{name}:{};", if is_night { tone.2 } else { tone.1 })).collect::<String>()
    };
    format!(
        ":root{{color-scheme:light dark;{}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{}}}}}\n",
        list(false),
        list(true)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ramp_starts_and_ends_at_its_stops_and_grows_lighter() {
        assert_eq!((ramp(0.0).as_str(), ramp(1.0).as_str()), ("#1f2f56", "#f6ecb8"));
        let grey = |s: f64| {
            let c = ramp(s);
            let v = |i: usize| u8::from_str_radix(&c[i..i + 2], 16).expect("two hexadecimal digits") as f64;
            0.2126 * v(1) + 0.7152 * v(3) + 0.0722 * v(5)
        };
        assert!((0..20).all(|i| grey(i as f64 / 20.0) < grey((i + 1) as f64 / 20.0)));
    }

    /// Red, green and blue as amounts of light in [0, 1].
    fn light(colour: &str) -> [f64; 3] {
        [1, 3, 5].map(|i| {
            let v = f64::from(u8::from_str_radix(&colour[i..i + 2], 16).expect("two hexadecimal digits")) / 255.0;
            if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
        })
    }

    /// Ratio of the luminances of two colours, with the stray light that WCAG 2 assumes.
    fn contrast(a: &str, b: &str) -> f64 {
        let luminance =
            |colour| light(colour).iter().zip([0.2126, 0.7152, 0.0722]).map(|(v, w)| v * w).sum::<f64>() + 0.05;
        let (a, b) = (luminance(a), luminance(b));
        a.max(b) / a.min(b)
    }

    /// Lightness and two opponent hues in Oklab (Ottosson, 2020), where equal distances look equally large.
    fn oklab(colour: &str) -> [f64; 3] {
        let product =
            |matrix: [[f64; 3]; 3], v: [f64; 3]| matrix.map(|row| row[0] * v[0] + row[1] * v[1] + row[2] * v[2]);
        let cones = product(
            [
                [0.4122214708, 0.5363325363, 0.0514459929],
                [0.2119034982, 0.6806995451, 0.1073969566],
                [0.0883024619, 0.2817188376, 0.6299787005],
            ],
            light(colour),
        );
        product(
            [
                [0.2104542553, 0.7936177850, -0.0040720468],
                [1.9779984951, -2.4285922050, 0.4505937099],
                [0.0259040371, 0.7827717662, -0.8086757660],
            ],
            cones.map(f64::cbrt),
        )
    }

    #[test]
    fn at_least_ten_series_differ_from_each_other_and_from_the_text_and_stand_out_from_either_paper() {
        let suffixes: std::collections::BTreeSet<&str> = (0..10).map(|n| Tone::Series(n).suffix()).collect();
        assert_eq!(suffixes.len(), 10);
        for is_night in [false, true] {
            let colours = TONES.map(|(_, day, night)| if is_night { night } else { day });
            let paper = colours[SERIES + 3];
            for (i, colour) in colours[..SERIES].iter().enumerate() {
                // Three is what WCAG 2 asks of parts of a graphic.
                assert!(contrast(colour, paper) >= 3.0, "{colour} on {paper}: {}", contrast(colour, paper));
                // Earlier series, then text.
                for other in colours[..i].iter().chain([&colours[SERIES]]) {
                    let apart =
                        oklab(colour).iter().zip(oklab(other)).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
                    // Some four times the difference that is just seen side by side, 0.02.
                    assert!(apart > 0.08, "{colour} and {other} are {apart} apart");
                }
            }
        }
    }
}
