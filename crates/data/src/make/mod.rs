//! Made-up data with a stated recipe: the same name, seed and size give the same bits.
//!
//! | want | recipe |
//! |---|---|
//! | a 1-D curve with a gap or two clusters, to look at | `snelson`, `sine-gap`, `cubic-gap`, `two-sines` |
//! | many curves of one family, to learn from few points each | `sines` |
//! | signals of ten classes | `signals` |
//! | a regression table of known difficulty | `friedman1`, `kin8`, `gp-draw` |
//! | two classes in the plane, to look at | `two-moons`, `spiral`, `probit-2d` |
//! | pictures of classes that no data set has | `glyphs`, `glyphs8` |
//! | cause and effect in two columns | `cause-effect`, `cause-effect-uniform`, `cause-effect-linear` |
//! | points of a known density | `mixture`, `eight-gaussians`, `crescent`, `funnel` |
//!
//! What fits no table has functions of its own: structures of atoms with energies and forces ([`atoms`]), pictures with a class for each pixel in
//! styles that shift ([`shapes`]).

pub mod atoms;
mod densities;
mod functions;
mod glyphs;
mod pairs;
pub mod shapes;
mod signals;

use elbo_core::{Allowed, Array, Data, Error, Result, Rng, Values, ensure, ensure_within};

/// What a user may change about a recipe; `None` is the recipe's own default.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct MakeOptions {
    /// Number of rows.
    pub rows: Option<usize>,
    /// Number of inputs or coordinates, where the recipe has a choice.
    pub dims: Option<usize>,
    /// Standard deviation of the noise, where the recipe has noise.
    pub noise: Option<f64>,
}

/// A recipe.
pub struct Generator {
    /// Its name on the command line.
    pub name: &'static str,
    /// The recipe in words and formulas.
    pub about: &'static str,
    /// Default number of rows.
    pub rows: usize,
    /// Default number of inputs or coordinates.
    pub dims: usize,
    /// Fewest and most inputs or coordinates; equal when there is no choice.
    pub dims_range: (usize, usize),
    /// Default standard deviation of the noise, where there is noise.
    pub noise: Option<f64>,
    make: fn(&Size, &mut Rng) -> Vec<(String, Array)>,
}

/// The numbers of a recipe, all settled.
struct Size {
    rows: usize,
    dims: usize,
    noise: f64,
}

static GENERATORS: &[Generator] = &[
    Generator {
        name: "snelson",
        about: "one input in two clusters: x uniform on [0, 2.4] or [3.6, 6], each with probability 1/2; \
                y = sin(2.5 x) + 0.5 sin(5 x) + noise",
        rows: 200,
        dims: 1,
        dims_range: (1, 1),
        noise: Some(0.3),
        make: functions::snelson,
    },
    Generator {
        name: "sine-gap",
        about: "one input with a gap: x uniform on [-4, -0.3] or [1, 4], each with probability 1/2; y = sin(3 x) exp(-x/6) + noise",
        rows: 200,
        dims: 1,
        dims_range: (1, 1),
        noise: Some(0.1),
        make: functions::sine_gap,
    },
    Generator {
        name: "cubic-gap",
        about: "one input with a gap: x uniform on [-4, -1] or [1, 4], each with probability 1/2; y = x^3 + noise",
        rows: 100,
        dims: 1,
        dims_range: (1, 1),
        noise: Some(3.0),
        make: functions::cubic_gap,
    },
    Generator {
        name: "two-sines",
        about: "one input with a gap: 38 of 70 rows evenly spaced on [-1.28, -0.61], the others on [0.61, 1.28]; \
                y = x + 0.8 sin(2 pi x) + 0.8 sin(4 pi x) + noise; x is then divided by 1.28",
        rows: 70,
        dims: 1,
        dims_range: (1, 1),
        noise: Some(0.3),
        make: functions::two_sines,
    },
    Generator {
        name: "sines",
        about: "tasks of 20 rows, ten to learn from and ten to be asked: y = A sin(x0 + p) + noise with A uniform on [0.1, 5] and p on [0, pi] \
                once per task, x0 uniform on [-5, 5]; `task` is its number",
        rows: 2000,
        dims: 2,
        dims_range: (2, 2),
        noise: Some(0.0),
        make: functions::sines,
    },
    Generator {
        name: "signals",
        about: "signals of 40 numbers in 10 classes: 12 points of a sum of four sines with the class's amplitudes, then 36 to 60 zeros; scaled \
                by a factor uniform on [0.6, 1.4], moved along a circle by up to 48 points, plus smoothed noise, a slope and normal noise of \
                0.02; interpolated to 40 points, and the whole set brought to mean zero and variance one",
        rows: 5000,
        dims: 40,
        dims_range: (40, 40),
        noise: Some(0.25),
        make: signals::signals,
    },
    Generator {
        name: "friedman1",
        about: "x uniform on [0, 1]^D; y = 10 sin(pi x0 x1) + 20 (x2 - 1/2)^2 + 10 x3 + 5 x4 + noise; inputs from x5 on have no effect \
                (Friedman 1991)",
        rows: 500,
        dims: 10,
        dims_range: (5, 1000),
        noise: Some(1.0),
        make: functions::friedman1,
    },
    Generator {
        name: "kin8",
        about: "an arm of 8 links, lengths uniform on [0.6, 1] once per seed, joint angles uniform on [-pi/2, pi/2], joints turning about z \
                and y in turn; y = distance of the tip from the point (2, 1, 1), plus noise relative to its standard deviation",
        rows: 8192,
        dims: 8,
        dims_range: (8, 8),
        noise: Some(0.05),
        make: functions::kin8,
    },
    Generator {
        name: "gp-draw",
        about: "x uniform on [0, 1]^D; y = one draw of a Gaussian process with a Matern 3/2 kernel (variance 1, lengthscale 0.3) through 2000 \
                pairs of random Fourier features, plus noise",
        rows: 3000,
        dims: 4,
        dims_range: (1, 100),
        noise: Some(0.1),
        make: functions::gp_draw,
    },
    Generator {
        name: "two-moons",
        about: "two half circles that interlock: (cos t, sin t) and (1 - cos t, 1/2 - sin t), t uniform on [0, pi], plus noise; \
                the classes are equally frequent",
        rows: 600,
        dims: 2,
        dims_range: (2, 2),
        noise: Some(0.22),
        make: functions::two_moons,
    },
    Generator {
        name: "spiral",
        about: "two spirals of one and three quarter turns: radius r = sqrt(u), u uniform on [0.01, 1], angle 3.5 pi r, turned by pi for the \
                second class, plus noise",
        rows: 400,
        dims: 2,
        dims_range: (2, 2),
        noise: Some(0.03),
        make: functions::spiral,
    },
    Generator {
        name: "probit-2d",
        about: "x uniform on [-3, 3]^2; class `b` with probability Phi(2 sin(x0) + x1), exactly a probit model, else `a`",
        rows: 500,
        dims: 2,
        dims_range: (2, 2),
        noise: None,
        make: functions::probit_2d,
    },
    Generator {
        name: "glyphs",
        about: "pictures of 10 made-up letters, 16 x 16 pixels row by row: a letter is 4 quadratic Bezier strokes with control points uniform \
                on [0.1, 0.9]^2, once per seed; a picture moves the control points by the noise, turns by 8 degrees times a standard normal \
                about the middle, and has intensity exp(-d^2 / 2 w^2) at distance d from the nearest stroke, w = 0.64 pixels",
        rows: 1000,
        dims: 256,
        dims_range: (256, 256),
        noise: Some(0.03),
        make: glyphs::glyphs,
    },
    Generator {
        name: "glyphs8",
        about: "the pictures of `glyphs` with 8 x 8 pixels",
        rows: 1000,
        dims: 64,
        dims_range: (64, 64),
        noise: Some(0.03),
        make: glyphs::glyphs,
    },
    Generator {
        name: "mixture",
        about: "points of 6 Gaussian clusters with weights 0.3, 0.2, 0.15, 0.15, 0.1, 0.1: centres 0.5 N(0, I) once per seed, standard \
                deviation 0.1, that of the fourth 0.06; no target",
        rows: 600,
        dims: 2,
        dims_range: (1, 10_000),
        noise: None,
        make: densities::mixture,
    },
    Generator {
        name: "eight-gaussians",
        about: "points of 8 equal Gaussians on a circle of radius 2, standard deviation given by noise; no target",
        rows: 1000,
        dims: 2,
        dims_range: (2, 2),
        noise: Some(0.2),
        make: densities::eight_gaussians,
    },
    Generator {
        name: "crescent",
        about: "points of a banana-shaped density: x0 = 2 a, x1 = b + (x0^2 - 4) / 4, further coordinates normal, all of a, b standard normal; \
                no target",
        rows: 1000,
        dims: 2,
        dims_range: (2, 1000),
        noise: None,
        make: densities::crescent,
    },
    Generator {
        name: "funnel",
        about: "points of Neal's funnel: x0 = 3 a, the others exp(x0 / 2) times standard normals; no target",
        rows: 1000,
        dims: 10,
        dims_range: (2, 1000),
        noise: None,
        make: densities::funnel,
    },
    Generator {
        name: "cause-effect",
        about: "two columns, the first the cause of the second: a normal or uniform on [-2, 2]; b = f(a) + 0.6 g(a) n with \
                f = tanh(s (a - 0.3 t)) + 0.4 sin(2 u a), g = 0.1 + 0.9 / (1 + exp(-+k (a - m))), n normal; s uniform on [0.5, 1.5], t normal, \
                u uniform on [0.3, 1.2], k uniform on [1, 4], m normal with standard deviation 0.5, once per seed; no target",
        rows: 500,
        dims: 2,
        dims_range: (2, 2),
        noise: Some(0.6),
        make: pairs::cause_effect,
    },
    Generator {
        name: "cause-effect-uniform",
        about: "as `cause-effect` with n uniform of variance one",
        rows: 500,
        dims: 2,
        dims_range: (2, 2),
        noise: Some(0.6),
        make: pairs::cause_effect_uniform,
    },
    Generator {
        name: "cause-effect-linear",
        about: "two columns with a Gaussian joint law, which looks the same from both sides: a normal, b = a + noise; no target",
        rows: 500,
        dims: 2,
        dims_range: (2, 2),
        noise: Some(0.6),
        make: pairs::cause_effect_linear,
    },
];

/// Every recipe.
pub fn generators() -> &'static [Generator] {
    GENERATORS
}

/// Makes data by a recipe.
///
/// # Errors
/// [`Error::Unknown`] for a name that is no recipe, [`Error::Setting`] for numbers outside the recipe's range.
///
/// ```
/// use elbo_data::{MakeOptions, make};
/// let data = make("two-moons", 1, &MakeOptions { rows: Some(50), ..Default::default() })?;
/// assert_eq!(data.rows(), 50);
/// # Ok::<(), elbo_core::Error>(())
/// ```
pub fn make(name: &str, seed: u64, options: &MakeOptions) -> Result<Data> {
    let data = make_from(name, &mut Rng::new(seed), options)?;
    Ok(Data { source: format!("recipe {name}, seed {seed}"), ..data })
}

/// As [`make`], with random numbers that go on where `rng` is.
///
/// # Errors
/// As [`make`].
pub fn make_from(name: &str, rng: &mut Rng, options: &MakeOptions) -> Result<Data> {
    let recipe = GENERATORS
        .iter()
        .find(|g| g.name == name)
        .ok_or_else(|| Error::unknown("recipe", name, GENERATORS.iter().map(|g| g.name)))?;
    let rows = options.rows.unwrap_or(recipe.rows);
    ensure_within("rows", rows, 1..=50_000_000)?;
    let dims = options.dims.unwrap_or(recipe.dims);
    let (fewest, most) = recipe.dims_range;
    ensure(
        "dims",
        dims,
        (fewest..=most).contains(&dims),
        Allowed::within(fewest..=most).told(format!("from {fewest} to {most} for `{name}`")),
    )?;
    let noise = match (options.noise, recipe.noise) {
        (Some(noise), Some(_)) => {
            ensure_within("noise", noise, 0.0..)?;
            noise
        }
        (Some(noise), None) => {
            return Err(Error::Setting {
                setting: "noise".into(),
                found: noise.to_string(),
                expected: format!("nothing: `{name}` has no noise to set").into(),
            });
        }
        (None, default) => default.unwrap_or(0.0),
    };
    let arrays = (recipe.make)(&Size { rows, dims, noise }, rng);
    let target = arrays.last().map(|(n, _)| n.clone()).filter(|n| n == "y" || n == "class");
    Ok(Data { source: format!("recipe {name}"), arrays, target, ..Data::default() })
}

/// Row-major points as columns `x0`, `x1`, ...
fn columns(points: &[f64], dims: usize) -> Vec<(String, Array)> {
    let rows = points.len() / dims;
    (0..dims)
        .map(|d| (format!("x{d}"), Array::new(&[rows], (0..rows).map(|i| points[i * dims + d]).collect())))
        .collect()
}

fn with_target(points: &[f64], dims: usize, y: Vec<f64>) -> Vec<(String, Array)> {
    let mut arrays = columns(points, dims);
    arrays.push(("y".into(), Array::new(&[y.len()], y)));
    arrays
}

/// Columns, and the class of each row by its name.
fn with_labels(
    mut arrays: Vec<(String, Array)>,
    which: &[usize],
    named: impl Fn(usize) -> String,
) -> Vec<(String, Array)> {
    // Levels stand in order of first appearance, as a reader would find them.
    let mut levels: Vec<String> = vec![];
    let codes = which
        .iter()
        .map(|c| {
            let name = named(*c);
            let at = levels.iter().position(|l| *l == name).unwrap_or_else(|| {
                levels.push(name);
                levels.len() - 1
            });
            Some(at as u32)
        })
        .collect();
    arrays.push(("class".into(), Array::column(Values::Text { levels, codes })));
    arrays
}

fn with_classes(points: &[f64], is_second: &[bool]) -> Vec<(String, Array)> {
    let which: Vec<usize> = is_second.iter().map(|s| usize::from(*s)).collect();
    with_labels(columns(points, points.len() / is_second.len()), &which, |c| ["a", "b"][c].to_owned())
}
