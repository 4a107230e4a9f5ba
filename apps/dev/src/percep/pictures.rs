//! Made-up pictures with a label: a body of some kind with a pattern of some kind.

use elbo::core::Rng;
use elbo::splat::gaussians::{normalised, rotation_matrix};
use elbo::splat::make::cast::{Material, Pattern};
use elbo::splat::make::mesh::Mesh;
use elbo::splat::make::{Recipe, make_of};
use elbo::tensor::Tensor;
use std::ops::Range;

const BODIES: usize = 6;
const PATTERNS: usize = 4;

/// Kinds of bodies times kinds of patterns.
pub const CLASSES: usize = BODIES * PATTERNS;

/// Pictures a scene.
const VIEWS: usize = 4;

/// Labelled pictures of one size.
pub struct Pictures {
    size: usize,
    /// Bytes, `[N, 3, S, S]`.
    pixels: Vec<u8>,
    /// `[N]`.
    labels: Vec<usize>,
}

impl Pictures {
    /// Scenes by their numbers, which decide all about them: the classes take turns. Each has four pictures of `size` pixels a side.
    pub fn make(scenes: Range<u64>, size: usize, rng: &Rng) -> Self {
        let mut pictures = Self { size, pixels: vec![], labels: vec![] };
        for scene in scenes {
            pictures.add((scene % CLASSES as u64) as usize, &mut rng.split(scene));
        }
        pictures
    }

    /// A scene of one body before a background of one colour.
    fn add(&mut self, label: usize, rng: &mut Rng) {
        let recipe = Recipe { views: VIEWS, size: self.size, points: 0, rays: 2, ..Recipe::default() };
        let made = make_of(vec![body(label, rng)], &recipe, 0);
        let area = self.size * self.size;
        for (picture, mask) in made.scene.images.chunks_exact(3 * area).zip(made.mask().chunks_exact(area)) {
            for plane in picture.chunks_exact(area) {
                let behind = rng.below(256) as u8;
                self.pixels.extend(plane.iter().zip(mask).map(|(v, is_body)| if *is_body { *v } else { behind }));
            }
            self.labels.push(label);
        }
    }

    /// Number of pictures.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// The class of a picture.
    pub fn label(&self, row: usize) -> usize {
        self.labels[row]
    }

    /// The classes of some pictures.
    pub fn labels(&self, rows: &[usize]) -> Tensor {
        Tensor::indices(&rows.iter().map(|row| self.labels[*row]).collect::<Vec<_>>())
    }

    /// Some pictures, `[B, 3, S, S]`, on `[0, 1]`; `light` says by what each is multiplied and what is added then.
    pub fn batch(&self, rows: &[usize], mut light: impl FnMut() -> (f64, f64)) -> Tensor {
        let width = 3 * self.size * self.size;
        let mut values = Vec::with_capacity(rows.len() * width);
        for row in rows {
            let (gain, shift) = light();
            let lit = |v: &u8| (gain * f64::from(*v) / 255.0 + shift).clamp(0.0, 1.0) as f32;
            values.extend(self.pixels[row * width..(row + 1) * width].iter().map(lit));
        }
        Tensor::from_f32(values, &[rows.len(), 3, self.size, self.size])
    }
}

/// A body of a class, turned at random.
fn body(label: usize, rng: &mut Rng) -> (Mesh, Material) {
    let mesh = match label / PATTERNS {
        0 => Mesh::torus(0.35, 14),
        1 => Mesh::cube(),
        2 => Mesh::bumpy(0.25, 4.0, 16),
        3 => Mesh::bent_tube(0.3, 3.0, 12),
        4 => Mesh::superquadric(0.4, 1.6, 14),
        _ => Mesh::sphere(14),
    };
    let pattern = match label % PATTERNS {
        0 => Pattern::Plain,
        1 => Pattern::Checker(rng.range(3.0, 6.0)),
        2 => Pattern::Stripes(rng.range(3.0, 7.0)),
        _ => Pattern::Noise(rng.range(1.0, 2.0)),
    };
    let first: [f64; 3] = std::array::from_fn(|_| rng.range(0.1, 0.9));
    // Far enough from the first that the pattern shows.
    let second = first.map(|c| c + rng.range(0.2, 0.5) * if c < 0.5 { 1.0 } else { -1.0 });
    let material = Material { colours: [first, second], pattern, gloss: rng.range(0.0, 0.4) };
    let q: [f64; 4] = std::array::from_fn(|_| rng.normal());
    (mesh.placed([1.0; 3], &rotation_matrix(normalised(q)), [0.0; 3]), material)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenes_follow_from_their_numbers_and_classes_take_turns() {
        let rng = Rng::new(4);
        let (all, late) = (Pictures::make(0..26, 8, &rng), Pictures::make(25..26, 8, &rng));
        assert_eq!((all.len(), late.len()), (26 * VIEWS, VIEWS));
        let classes: Vec<usize> = (0..26).map(|scene| all.label(scene * VIEWS)).collect();
        assert_eq!(classes, (0..CLASSES).chain([0, 1]).collect::<Vec<_>>());
        let same = |pictures: &Pictures, row: usize| pictures.batch(&[row], || (1.0, 0.0)).to_vec();
        assert_eq!(same(&all, 25 * VIEWS + 2), same(&late, 2));
        // Of the same class, and another scene.
        assert_ne!(same(&all, VIEWS), same(&late, 0));
        assert_eq!(all.labels(&[25 * VIEWS]).to_vec(), [1.0]);
    }

    #[test]
    fn light_multiplies_and_shifts_within_the_range() {
        let pictures = Pictures::make(1..2, 8, &Rng::new(4));
        let plain = pictures.batch(&[0], || (1.0, 0.0)).to_vec();
        let bright = pictures.batch(&[0], || (1.5, 0.1)).to_vec();
        for (v, lit) in plain.iter().zip(bright) {
            assert!((lit - (1.5 * v + 0.1).min(1.0)).abs() < 1e-6, "{v} {lit}");
        }
    }
}
