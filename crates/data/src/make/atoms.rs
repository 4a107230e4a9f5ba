//! Clusters of atoms of two species under a potential whose energies and forces are known, moving at a temperature.

use elbo_core::{Result, Rng, ensure, ensure_within};

type Vector = [f64; 3];

/// Morse pairs, and a term of three atoms that prefers an angle; both end smoothly at a cutoff.
///
/// `Σ_{i<j} D [(1 - e^{-a (r - r0)})² - 1] c(r) + k Σ_i Σ_{j<k} (cos θ_jik - cos θ0)² c(r_ij) c(r_ik)` with `c(r) = (1 - (r / cutoff)²)³`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClusterPotential {
    /// Depth D of the well of two species, symmetric.
    pub depth: [[f64; 2]; 2],
    /// Distance r0 of its bottom, symmetric.
    pub length: [[f64; 2]; 2],
    /// Narrowness a of the well.
    pub narrowness: f64,
    /// Strength k of the term of three atoms.
    pub bend: f64,
    /// The cosine that it prefers.
    pub cosine: f64,
    /// Where everything ends.
    pub cutoff: f64,
}

impl Default for ClusterPotential {
    fn default() -> Self {
        Self {
            depth: [[1.0, 1.3], [1.3, 0.8]],
            length: [[2.0, 2.2], [2.2, 2.4]],
            narrowness: 1.5,
            bend: 0.3,
            cosine: -1.0 / 3.0,
            cutoff: 5.0,
        }
    }
}

/// Settings of a set of clusters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClusterConfig {
    /// Atoms of a cluster, 5 to 10.
    pub atoms: usize,
    /// Clusters.
    pub frames: usize,
    /// Temperature, in the unit of energies.
    pub temperature: f64,
    /// Clusters taken from one trajectory before another begins.
    pub run: usize,
    /// Steps of motion between two clusters.
    pub every: usize,
    /// What holds the atoms together.
    pub potential: ClusterPotential,
}

impl Default for ClusterConfig {
    fn default() -> Self {
        let potential = ClusterPotential::default();
        Self { atoms: 5, frames: 200, temperature: 0.05, run: 20, every: 25, potential }
    }
}

/// Atoms at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterFrame {
    /// Species of each atom, 0 or 1.
    pub species: Vec<usize>,
    /// Where they are.
    pub positions: Vec<[f64; 3]>,
    /// Their energy.
    pub energy: f64,
    /// Less its slope in the positions.
    pub forces: Vec<[f64; 3]>,
}

/// Length of a step of motion, for atoms of mass one.
const STEP: f64 = 0.05;
/// Share of the velocity that friction takes in a unit of time.
const FRICTION: f64 = 1.0;
/// Steps before the first cluster of a trajectory.
const SETTLING: usize = 200;

fn minus(a: &Vector, b: &Vector) -> Vector {
    std::array::from_fn(|d| a[d] - b[d])
}

fn dot(a: &Vector, b: &Vector) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// `to + scale along`.
fn add(to: &mut Vector, scale: f64, along: &Vector) {
    (0..3).for_each(|d| to[d] += scale * along[d]);
}

impl ClusterPotential {
    /// The cutoff function and its slope.
    fn fade(&self, r: f64) -> (f64, f64) {
        let u = 1.0 - (r / self.cutoff).powi(2);
        if u <= 0.0 { (0.0, 0.0) } else { (u.powi(3), -6.0 * r / (self.cutoff * self.cutoff) * u * u) }
    }

    /// Checks ranges.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`].
    pub fn check(&self) -> Result<()> {
        let finite = |name: &str, value: f64| ensure(name, value, value.is_finite(), "a finite number");
        self.depth.as_flattened().iter().try_for_each(|depth| finite("depth", *depth))?;
        self.length.as_flattened().iter().try_for_each(|length| finite("length", *length))?;
        // A pair has no order: its energy would follow from the numbers that its atoms happen to have.
        for (name, [[_, one], [other, _]]) in [("depth", self.depth), ("length", self.length)] {
            let is_same = one.total_cmp(&other).is_eq();
            ensure(name, format!("{one} and {other}"), is_same, "the same for two species in either order")?;
        }
        finite("narrowness", self.narrowness)?;
        finite("bend", self.bend)?;
        ensure_within("cosine", self.cosine, -1.0..=1.0)?;
        ensure("cutoff", self.cutoff, self.cutoff > 0.0 && self.cutoff.is_finite(), "above 0")
    }

    /// Energy and forces of atoms of these species, each 0 or 1. They are no numbers where two atoms are at one place.
    ///
    /// # Panics
    /// For another number of species than of positions, and for a third species.
    pub fn energy_and_forces(&self, species: &[usize], positions: &[[f64; 3]]) -> (f64, Vec<[f64; 3]>) {
        assert!(species.len() == positions.len() && species.iter().all(|s| *s < 2), "one species of two an atom");
        let atoms = positions.len();
        let mut forces = vec![[0.0; 3]; atoms];
        let mut energy = 0.0;
        for i in 0..atoms {
            for j in i + 1..atoms {
                let along = minus(&positions[j], &positions[i]);
                let r = dot(&along, &along).sqrt();
                let (c, slope) = self.fade(r);
                let (a, b) = (species[i], species[j]);
                let e = (-self.narrowness * (r - self.length[a][b])).exp();
                let well = self.depth[a][b] * ((1.0 - e).powi(2) - 1.0);
                let steep = 2.0 * self.depth[a][b] * self.narrowness * (1.0 - e) * e;
                energy += well * c;
                let pull = (steep * c + well * slope) / r;
                add(&mut forces[i], pull, &along);
                add(&mut forces[j], -pull, &along);
            }
            for j in 0..atoms {
                for k in j + 1..atoms {
                    if j != i && k != i {
                        energy += self.bent([i, j, k], positions, &mut forces);
                    }
                }
            }
        }
        (energy, forces)
    }

    /// The energy of the angle at the first of three atoms; its forces are added.
    fn bent(&self, [i, j, k]: [usize; 3], positions: &[Vector], forces: &mut [Vector]) -> f64 {
        let (u, v) = (minus(&positions[j], &positions[i]), minus(&positions[k], &positions[i]));
        let (p, q) = (dot(&u, &u).sqrt(), dot(&v, &v).sqrt());
        let ((cu, su), (cv, sv)) = (self.fade(p), self.fade(q));
        if cu == 0.0 || cv == 0.0 {
            return 0.0;
        }
        let cosine = dot(&u, &v) / (p * q);
        let off = cosine - self.cosine;
        // Slopes in u and v: of the cosine, v / pq - cos u / p², and of the cutoff functions, along u and v.
        let by_cosine = 2.0 * self.bend * off * cu * cv;
        let level = self.bend * off * off;
        let mut turn = |atom: usize, own: &Vector, other: &Vector, length: f64, fading: f64| {
            let mut slope = [0.0; 3];
            add(&mut slope, by_cosine / (p * q), other);
            add(&mut slope, -by_cosine * cosine / (length * length) + level * fading / length, own);
            add(&mut forces[atom], -1.0, &slope);
            add(&mut forces[i], 1.0, &slope);
        };
        turn(j, &u, &v, p, su * cv);
        turn(k, &v, &u, q, sv * cu);
        level * cu * cv
    }
}

impl ClusterConfig {
    /// Checks ranges.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`].
    pub fn check(&self) -> Result<()> {
        ensure_within("atoms", self.atoms, 5..=10)?;
        ensure_within("frames", self.frames, 1..=1_000_000)?;
        ensure("temperature", self.temperature, self.temperature >= 0.0 && self.temperature.is_finite(), "at least 0")?;
        ensure_within("run", self.run, 1..=1_000_000)?;
        ensure_within("every", self.every, 1..=1_000_000)?;
        self.potential.check()
    }

    /// Clusters of a seed: trajectories by Langevin dynamics, each from another relaxed start.
    ///
    /// # Errors
    /// As [`ClusterConfig::check`].
    pub fn make(&self, seed: u64) -> Result<Vec<ClusterFrame>> {
        self.check()?;
        let mut rng = Rng::new(seed);
        let mut frames = Vec::with_capacity(self.frames);
        while frames.len() < self.frames {
            let mut motion = Motion::start(self, &mut rng);
            (0..SETTLING).for_each(|_| motion.step(self, &mut rng));
            for _ in 0..self.run.min(self.frames - frames.len()) {
                (0..self.every).for_each(|_| motion.step(self, &mut rng));
                frames.push(motion.frame.clone());
            }
        }
        Ok(frames)
    }
}

/// A cluster with its velocities.
struct Motion {
    frame: ClusterFrame,
    velocities: Vec<Vector>,
}

impl Motion {
    /// Atoms at random places that are not too near, let down to where forces are small.
    fn start(config: &ClusterConfig, rng: &mut Rng) -> Self {
        let species: Vec<usize> = (0..config.atoms).map(|_| rng.below(2)).collect();
        let mut positions: Vec<Vector> = vec![];
        while positions.len() < config.atoms {
            let place: Vector = std::array::from_fn(|_| rng.range(-2.5, 2.5));
            let gaps = positions.iter().map(|p| minus(p, &place)).map(|d| dot(&d, &d));
            if gaps.fold(f64::INFINITY, f64::min) > 1.5 * 1.5 {
                positions.push(place);
            }
        }
        let velocities = vec![[0.0; 3]; config.atoms];
        let mut motion = Self { frame: ClusterFrame { species, positions, energy: 0.0, forces: vec![] }, velocities };
        for _ in 0..500 {
            motion.refresh(config);
            for (p, f) in motion.frame.positions.iter_mut().zip(&motion.frame.forces) {
                let size = dot(f, f).sqrt();
                // At most a twentieth of a unit of length at once.
                add(p, 0.02f64.min(0.05 / size.max(1e-300)), f);
            }
        }
        motion.refresh(config);
        motion
    }

    fn refresh(&mut self, config: &ClusterConfig) {
        let frame = &mut self.frame;
        (frame.energy, frame.forces) = config.potential.energy_and_forces(&frame.species, &frame.positions);
    }

    /// Half a kick, half a drift, friction with noise, and back (BAOAB).
    fn step(&mut self, config: &ClusterConfig, rng: &mut Rng) {
        let kept = (-FRICTION * STEP).exp();
        let noise = ((1.0 - kept * kept) * config.temperature).sqrt();
        for ((p, v), f) in self.frame.positions.iter_mut().zip(&mut self.velocities).zip(&self.frame.forces) {
            add(v, 0.5 * STEP, f);
            add(p, 0.5 * STEP, v);
            v.iter_mut().for_each(|v| *v = kept * *v + noise * rng.normal());
            add(p, 0.5 * STEP, v);
        }
        self.refresh(config);
        for (v, f) in self.velocities.iter_mut().zip(&self.frame.forces) {
            add(v, 0.5 * STEP, f);
        }
    }
}
