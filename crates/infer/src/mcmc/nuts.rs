//! Trajectories: the no-U-turn tree, and the fixed number of steps.

use super::integrate::{Phase, Point, moves_apart};
use super::metric::Mass;
use crate::target::LogDensity;
use elbo_core::Rng;
use elbo_linalg::vector::axpy;
use elbo_tensor::special::log_add_exp;

/// Energy error at which a trajectory is given up as divergent.
const DIVERGENCE: f64 = 1000.0;

/// What one transition did.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Move {
    /// Mean acceptance probability along the trajectory.
    pub accept: f64,
    /// Doublings, or zero for a fixed trajectory.
    pub depth: u32,
    /// Leapfrog steps, each one gradient.
    pub steps: u64,
    pub divergent: bool,
    /// Energy of the chosen state, with its own momentum.
    pub energy: f64,
}

/// A subtree, seen along the direction in which it was built.
struct Subtree {
    first: End,
    last: End,
    /// Sum of its momenta.
    sum: Vec<f64>,
    /// Log of the summed weights exp(H0 - H).
    log_weight: f64,
    proposal: Point,
    energy: f64,
}

/// Momentum and velocity at an end.
struct End {
    momentum: Vec<f64>,
    velocity: Vec<f64>,
}

/// Buffers between transitions, so that a leapfrog step allocates nothing.
#[derive(Debug, Default)]
pub(super) struct Pool(Vec<Vec<f64>>);

impl Pool {
    fn copy(&mut self, values: &[f64]) -> Vec<f64> {
        match self.0.pop() {
            Some(mut buffer) => {
                buffer.copy_from_slice(values);
                buffer
            }
            None => values.to_vec(),
        }
    }

    fn copy_point(&mut self, point: &Point) -> Point {
        Point {
            position: self.copy(&point.position),
            gradient: self.copy(&point.gradient),
            log_density: point.log_density,
        }
    }

    fn copy_end(&mut self, phase: &Phase) -> End {
        End { momentum: self.copy(&phase.momentum), velocity: self.copy(&phase.velocity) }
    }

    fn give_point(&mut self, point: Point) {
        self.0.extend([point.position, point.gradient]);
    }

    fn give_end(&mut self, end: End) {
        self.0.extend([end.momentum, end.velocity]);
    }

    fn give(&mut self, tree: Subtree) {
        self.give_end(tree.first);
        self.give_end(tree.last);
        self.give_point(tree.proposal);
        self.0.push(tree.sum);
    }
}

/// The parts of a transition that stay the same while its tree grows.
struct Builder<'a> {
    target: &'a dyn LogDensity,
    mass: &'a Mass,
    rng: &'a mut Rng,
    pool: &'a mut Pool,
    start_energy: f64,
    accept_sum: f64,
    steps: u64,
    divergent: bool,
}

impl Builder<'_> {
    /// Extends the trajectory from `head` by 2^depth signed steps. `None` when it diverged or turned back on itself.
    fn grow(&mut self, depth: u32, step: f64, head: &mut Phase) -> Option<Subtree> {
        if depth == 0 {
            return self.leaf(step, head);
        }
        let mut near = self.grow(depth - 1, step, head)?;
        let Some(far) = self.grow(depth - 1, step, head) else {
            self.pool.give(near);
            return None;
        };
        let log_weight = log_add_exp(near.log_weight, far.log_weight);
        let goes_on = self.goes_on(&near, &far);
        if self.rng.uniform().ln() < far.log_weight - log_weight {
            near.energy = far.energy;
            self.pool.give_point(std::mem::replace(&mut near.proposal, far.proposal));
        } else {
            self.pool.give_point(far.proposal);
        }
        axpy(1.0, &far.sum, &mut near.sum);
        self.pool.give_end(std::mem::replace(&mut near.last, far.last));
        self.pool.give_end(far.first);
        self.pool.0.push(far.sum);
        near.log_weight = log_weight;
        if goes_on {
            return Some(near);
        }
        self.pool.give(near);
        None
    }

    fn leaf(&mut self, step: f64, head: &mut Phase) -> Option<Subtree> {
        head.leapfrog(self.target, self.mass, step);
        self.steps += 1;
        let gain = self.start_energy - head.energy;
        self.accept_sum += gain.exp().min(1.0);
        if gain < -DIVERGENCE {
            self.divergent = true;
            return None;
        }
        Some(Subtree {
            first: self.pool.copy_end(head),
            last: self.pool.copy_end(head),
            sum: self.pool.copy(&head.momentum),
            log_weight: gain,
            proposal: self.pool.copy_point(&head.point),
            energy: head.energy,
        })
    }

    /// The three checks on two adjacent stretches: over both, and over each with the other's nearest point.
    fn goes_on(&mut self, near: &Subtree, far: &Subtree) -> bool {
        let mut sum = self.pool.copy(&near.sum);
        axpy(1.0, &far.sum, &mut sum);
        let mut goes_on = moves_apart(&near.first.velocity, &far.last.velocity, &sum);
        if goes_on {
            sum.copy_from_slice(&near.sum);
            axpy(1.0, &far.first.momentum, &mut sum);
            goes_on = moves_apart(&near.first.velocity, &far.first.velocity, &sum);
        }
        if goes_on {
            sum.copy_from_slice(&far.sum);
            axpy(1.0, &near.last.momentum, &mut sum);
            goes_on = moves_apart(&near.last.velocity, &far.last.velocity, &sum);
        }
        self.pool.0.push(sum);
        goes_on
    }
}

/// One transition of the no-U-turn sampler: states are chosen in proportion to their weight, the later half of each doubling
/// being preferred.
///
/// # Source
/// Hoffman and Gelman (2014); Betancourt (2017) for multinomial weights and the generalised criterion; the two checks across
/// neighbouring subtrees are those of Stan since 2.21.
pub(super) fn no_u_turn(
    target: &dyn LogDensity,
    mass: &Mass,
    step: f64,
    max_depth: u32,
    point: &mut Point,
    rng: &mut Rng,
    pool: &mut Pool,
) -> Move {
    let start = Phase::draw(point, mass, rng);
    let mut ends = [start.clone(), start.clone()];
    let mut tree = Subtree {
        first: pool.copy_end(&start),
        last: pool.copy_end(&start),
        sum: pool.copy(&start.momentum),
        log_weight: 0.0,
        proposal: pool.copy_point(point),
        energy: start.energy,
    };
    let mut builder =
        Builder { target, mass, rng, pool, start_energy: start.energy, accept_sum: 0.0, steps: 0, divergent: false };
    let mut depth = 0;
    // The tree is kept as seen forwards; a doubling backwards looks at it from the other side.
    let mut forwards = true;
    while depth < max_depth {
        let goes_forwards = builder.rng.uniform() < 0.5;
        if goes_forwards != forwards {
            std::mem::swap(&mut tree.first, &mut tree.last);
            forwards = goes_forwards;
        }
        let signed = if goes_forwards { step } else { -step };
        let Some(grown) = builder.grow(depth, signed, &mut ends[usize::from(goes_forwards)]) else { break };
        depth += 1;
        let goes_on = builder.goes_on(&tree, &grown);
        if builder.rng.uniform().ln() < grown.log_weight - tree.log_weight {
            tree.energy = grown.energy;
            builder.pool.give_point(std::mem::replace(&mut tree.proposal, grown.proposal));
        } else {
            builder.pool.give_point(grown.proposal);
        }
        tree.log_weight = log_add_exp(tree.log_weight, grown.log_weight);
        axpy(1.0, &grown.sum, &mut tree.sum);
        builder.pool.0.push(grown.sum);
        builder.pool.give_end(std::mem::replace(&mut tree.last, grown.last));
        builder.pool.give_end(grown.first);
        if !goes_on {
            break;
        }
    }
    point.copy_from(&tree.proposal);
    let report = Move {
        accept: builder.accept_sum / builder.steps.max(1) as f64,
        depth,
        steps: builder.steps,
        divergent: builder.divergent,
        energy: tree.energy,
    };
    pool.give(tree);
    report
}

/// One transition with a given number of leapfrog steps, accepted or refused as a whole (Duane et al. 1987).
pub(super) fn fixed(
    target: &dyn LogDensity,
    mass: &Mass,
    step: f64,
    steps: u64,
    point: &mut Point,
    rng: &mut Rng,
) -> Move {
    let mut phase = Phase::draw(point, mass, rng);
    let before = phase.energy;
    let mut done = 0;
    while done < steps && phase.energy - before <= DIVERGENCE {
        phase.leapfrog(target, mass, step);
        done += 1;
    }
    let gain = before - phase.energy;
    let divergent = gain < -DIVERGENCE;
    let accept = if divergent { 0.0 } else { gain.exp().min(1.0) };
    let is_accepted = rng.uniform() < accept;
    if is_accepted {
        point.copy_from(&phase.point);
    }
    Move { accept, depth: 0, steps: done, divergent, energy: if is_accepted { phase.energy } else { before } }
}
