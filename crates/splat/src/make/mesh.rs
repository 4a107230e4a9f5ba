//! Triangle meshes of simple bodies.

use crate::camera::{cross, dot, sub, unit};
use std::collections::BTreeMap;

/// A surface of triangles; those made here are closed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Mesh {
    /// Corners.
    pub vertices: Vec<[f64; 3]>,
    /// Normals at the corners, of length one, outwards.
    pub normals: Vec<[f64; 3]>,
    /// Three corners each, counter-clockwise from outside.
    pub triangles: Vec<[usize; 3]>,
    /// Where the corners lie in a picture, from `(0, 0)`, its upper left, to `(1, 1)`; empty where there is none.
    pub places: Vec<[f64; 2]>,
}

impl Mesh {
    /// A surface over two angles: `around` goes once round, `along` from one end to the other, or round as well where `closes`.
    fn grid(around: usize, along: usize, closes: bool, place: impl Fn(f64, f64) -> [f64; 3]) -> Self {
        let rows = if closes { along } else { along + 1 };
        let mut mesh = Self::default();
        for j in 0..rows {
            for i in 0..around {
                mesh.vertices.push(place(i as f64 / around as f64, j as f64 / along as f64));
            }
        }
        for j in 0..along {
            for i in 0..around {
                let (k, l) = ((i + 1) % around, (j + 1) % rows.max(1));
                let [a, b, c, d] = [j * around + i, j * around + k, l * around + k, l * around + i];
                mesh.triangles.extend([[a, b, c], [a, c, d]]);
            }
        }
        mesh.with_normals()
    }

    /// Normals from the triangles around each corner, weighted by their areas. Triangles are turned to face outwards.
    fn with_normals(mut self) -> Self {
        let volume: f64 = self
            .triangles
            .iter()
            .map(|[a, b, c]| dot(self.vertices[*a], cross(self.vertices[*b], self.vertices[*c])))
            .sum();
        if volume < 0.0 {
            self.triangles.iter_mut().for_each(|t| t.swap(1, 2));
        }
        self.normals = vec![[0.0; 3]; self.vertices.len()];
        for t in &self.triangles {
            let [a, b, c] = t.map(|k| self.vertices[k]);
            let n = cross(sub(b, a), sub(c, a));
            t.iter().for_each(|k| (0..3).for_each(|x| self.normals[*k][x] += n[x]));
        }
        self.normals.iter_mut().for_each(|n| *n = if dot(*n, *n) > 1e-24 { unit(*n) } else { [0.0, 0.0, 1.0] });
        self
    }

    /// A ball of radius one.
    pub fn sphere(detail: usize) -> Self {
        Self::superquadric(1.0, 1.0, detail)
    }

    /// `|x|^(2/b) + |y|^(2/b)` and `z` with exponents `a` and `b`: one is a ball, towards zero a box, two an octahedron.
    pub fn superquadric(a: f64, b: f64, detail: usize) -> Self {
        let power = |v: f64, e: f64| v.signum() * v.abs().powf(e);
        Self::grid(2 * detail, detail, false, |u, v| {
            let (s, c) = (std::f64::consts::TAU * u).sin_cos();
            let (t, d) = (std::f64::consts::PI * (v - 0.5)).sin_cos();
            let d = d.max(0.0);
            [power(d, a) * power(c, b), power(d, a) * power(s, b), power(t, a)]
        })
    }

    /// A ring with this radius of its tube around one.
    pub fn torus(tube: f64, detail: usize) -> Self {
        Self::grid(2 * detail, detail, true, |u, v| {
            let (s, c) = (std::f64::consts::TAU * u).sin_cos();
            let (t, d) = (std::f64::consts::TAU * v).sin_cos();
            [(1.0 + tube * d) * c, (1.0 + tube * d) * s, tube * t]
        })
    }

    /// A tube along an arc, with round ends.
    pub fn bent_tube(tube: f64, arc: f64, detail: usize) -> Self {
        Self::grid(detail, 2 * detail, false, |u, v| {
            let (s, c) = (std::f64::consts::TAU * u).sin_cos();
            // The radius closes at both ends like half a circle.
            let end = (1.0 - (2.0 * v - 1.0).powi(8)).max(0.0).sqrt();
            let (t, d) = (arc * (v - 0.5)).sin_cos();
            let r = 1.0 + tube * end * c;
            [r * d - 1.0, r * t, tube * end * s]
        })
    }

    /// A ball with waves.
    pub fn bumpy(height: f64, waves: f64, detail: usize) -> Self {
        Self::sphere(detail).displaced(height, waves)
    }

    /// A ball of radius one whose triangles are nearly alike: those of an icosahedron, each divided into four so many times.
    pub fn icosphere(divisions: usize) -> Self {
        let golden = 0.5 * (1.0 + 5f64.sqrt());
        let corner = |k: usize| {
            let (axis, signs) = (k / 4, [1.0, -1.0]);
            let mut v = [0.0; 3];
            (v[(axis + 1) % 3], v[(axis + 2) % 3]) = (signs[k % 2], golden * signs[k / 2 % 2]);
            unit(v)
        };
        let mut mesh = Self { vertices: (0..12).map(corner).collect(), ..Self::default() };
        mesh.triangles = neighbours(&mesh.vertices);
        for _ in 0..divisions {
            mesh.divide();
        }
        mesh.with_normals()
    }

    /// Divides each triangle of a ball of radius one into four, with the new corners on the ball.
    fn divide(&mut self) {
        let mut middles = BTreeMap::new();
        let vertices = &mut self.vertices;
        let mut middle = |a: usize, b: usize| {
            *middles.entry((a.min(b), a.max(b))).or_insert_with(|| {
                let [p, q] = [vertices[a], vertices[b]];
                vertices.push(unit([p[0] + q[0], p[1] + q[1], p[2] + q[2]]));
                vertices.len() - 1
            })
        };
        let four = |[a, b, c]: [usize; 3]| {
            let [ab, bc, ca] = [middle(a, b), middle(b, c), middle(c, a)];
            [[a, ab, ca], [b, bc, ab], [c, ca, bc], [ab, bc, ca]]
        };
        self.triangles = std::mem::take(&mut self.triangles).into_iter().flat_map(four).collect();
    }

    /// The mesh with its corners moved away from the origin and towards it, in waves of this height.
    pub fn displaced(mut self, height: f64, waves: f64) -> Self {
        for v in &mut self.vertices {
            let r = 1.0 + height * (waves * v[0]).sin() * (waves * v[1] + 0.5).sin() * (waves * v[2] + 1.0).sin();
            *v = v.map(|x| r * x);
        }
        self.with_normals()
    }

    /// A box with sides of two, and sharp edges.
    pub fn cube() -> Self {
        let mut mesh = Self::default();
        for axis in 0..3 {
            for side in [-1.0, 1.0] {
                let corner = |a: f64, b: f64| {
                    let mut v = [0.0; 3];
                    (v[axis], v[(axis + 1) % 3], v[(axis + 2) % 3]) = (side, a, b);
                    v
                };
                let first = mesh.vertices.len();
                mesh.vertices.extend([corner(-1.0, -1.0), corner(1.0, -1.0), corner(1.0, 1.0), corner(-1.0, 1.0)]);
                let order = if side > 0.0 { [0, 1, 2, 0, 2, 3] } else { [0, 2, 1, 0, 3, 2] };
                mesh.triangles.extend([0, 3].map(|k| [first + order[k], first + order[k + 1], first + order[k + 2]]));
                let mut normal = [0.0; 3];
                normal[axis] = side;
                mesh.normals.extend([normal; 4]);
            }
        }
        mesh
    }

    /// Letters of boxes: a cube of side one for each `#` of a drawing, whose lines lie over one another in the plane of x and z; its middle is the
    /// origin.
    pub fn blocks(drawing: &[&str]) -> Self {
        let width = drawing.iter().map(|line| line.chars().count()).max().unwrap_or(0);
        let middle = |k: usize, count: usize| k as f64 - 0.5 * (count as f64 - 1.0);
        let mut mesh = Self::default();
        for (row, line) in drawing.iter().enumerate() {
            for (column, _) in line.chars().enumerate().filter(|(_, c)| *c == '#') {
                let at = [middle(column, width), 0.0, -middle(row, drawing.len())];
                let cube = Self::cube().placed([0.5; 3], &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0], at);
                let first = mesh.vertices.len();
                mesh.triangles.extend(cube.triangles.iter().map(|t| t.map(|k| first + k)));
                mesh.vertices.extend(cube.vertices);
                mesh.normals.extend(cube.normals);
            }
        }
        mesh
    }

    /// The mesh scaled along its axes, turned, and moved. `turn: [3, 3]`.
    pub fn placed(mut self, scale: [f64; 3], turn: &[f64; 9], at: [f64; 3]) -> Self {
        let rotate = |v: [f64; 3]| std::array::from_fn(|k| dot([turn[3 * k], turn[3 * k + 1], turn[3 * k + 2]], v));
        for v in &mut self.vertices {
            let turned: [f64; 3] = rotate(std::array::from_fn(|k| scale[k] * v[k]));
            *v = std::array::from_fn(|k| turned[k] + at[k]);
        }
        // Normals scale with the inverse.
        self.normals.iter_mut().for_each(|n| *n = unit(rotate(std::array::from_fn(|k| n[k] / scale[k]))));
        self
    }

    /// Twice the area of triangle `t`.
    pub fn double_area(&self, t: usize) -> f64 {
        let [a, b, c] = self.triangles[t].map(|k| self.vertices[k]);
        let n = cross(sub(b, a), sub(c, a));
        dot(n, n).sqrt()
    }
}

/// The triangles of an icosahedron: all three corners that are nearest to each other, counter-clockwise from outside.
fn neighbours(corners: &[[f64; 3]]) -> Vec<[usize; 3]> {
    // Neighbours lie at an angle of 63 degrees, others at 117 and more.
    let are_near = |a: usize, b: usize| dot(corners[a], corners[b]) > 0.0;
    let mut triangles = vec![];
    for a in 0..corners.len() {
        for b in (a + 1..corners.len()).filter(|b| are_near(a, *b)) {
            for c in (b + 1..corners.len()).filter(|c| are_near(a, *c) && are_near(b, *c)) {
                let is_outward = dot(corners[a], cross(corners[b], corners[c])) > 0.0;
                triangles.push(if is_outward { [a, b, c] } else { [a, c, b] });
            }
        }
    }
    triangles
}
