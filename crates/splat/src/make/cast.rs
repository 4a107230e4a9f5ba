//! Rays against triangles, through a tree of boxes.

use crate::camera::{cross, dot, sub, unit};
use crate::make::mesh::Mesh;
use crate::make::texture::Texture;
use std::sync::Arc;

/// How a body looks.
#[derive(Debug, Clone, PartialEq)]
pub struct Material {
    /// Two colours on `[0, 1]`.
    pub colours: [[f64; 3]; 2],
    /// How they alternate.
    pub pattern: Pattern,
    /// Strength of the highlight.
    pub gloss: f64,
}

/// How two colours alternate in space, or what else is on a surface.
#[derive(Debug, Clone, PartialEq)]
pub enum Pattern {
    /// The first colour only.
    Plain,
    /// Cubes, so many a unit.
    Checker(f64),
    /// Layers along z, so many a unit.
    Stripes(f64),
    /// Smooth noise, so many waves a unit.
    Noise(f64),
    /// A picture in place of both colours, where the mesh says which corner lies where in it.
    Picture(Arc<Texture>),
}

impl Material {
    /// The colour at a point of the world, which is `place` in a picture.
    pub fn colour(&self, x: [f64; 3], place: [f64; 2]) -> [f64; 3] {
        let share = match self.pattern {
            Pattern::Plain => 0.0,
            Pattern::Picture(ref texture) => return texture.at(place),
            Pattern::Checker(n) => {
                let cells: i64 = x.iter().map(|v| (n * v + 1e-6).floor() as i64).sum();
                cells.rem_euclid(2) as f64
            }
            Pattern::Stripes(n) => ((n * x[2]).floor() as i64).rem_euclid(2) as f64,
            Pattern::Noise(n) => {
                let wave = |a: [f64; 3], shift: f64| (n * dot(a, x) + shift).sin();
                let sum = wave([6.1, 2.3, -1.7], 0.3) * wave([-1.9, 5.3, 2.9], 1.1) + wave([2.7, -3.1, 6.7], 2.0);
                (0.5 + 0.3 * sum).clamp(0.0, 1.0)
            }
        };
        std::array::from_fn(|k| (1.0 - share) * self.colours[0][k] + share * self.colours[1][k])
    }
}

/// Where a ray met a surface.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// Distance along the ray.
    pub distance: f64,
    /// Index of the body.
    pub body: usize,
    /// Shaded normal, of length one, towards the ray's origin; the triangle's own where those of its corners cancel.
    pub normal: [f64; 3],
    /// Where the point lies in the body's picture; zero where it has none.
    pub place: [f64; 2],
}

struct Triangle {
    corner: [f64; 3],
    sides: [[f64; 3]; 2],
    normals: [[f64; 3]; 3],
    places: [[f64; 2]; 3],
    body: usize,
}

/// A box, and what is in it: triangles, or two more boxes, of which the first follows it.
struct Node {
    low: [f64; 3],
    high: [f64; 3],
    /// First triangle and their number; or zero and the second box.
    first: usize,
    count: usize,
    second: usize,
}

/// Bodies to look at.
pub struct World {
    triangles: Vec<Triangle>,
    nodes: Vec<Node>,
    /// One a body.
    pub materials: Vec<Material>,
}

/// Triangles a box, at most.
const LEAF: usize = 4;

impl World {
    /// A world of these bodies.
    pub fn new(bodies: &[(Mesh, Material)]) -> Self {
        let mut triangles = vec![];
        for (body, (mesh, _)) in bodies.iter().enumerate() {
            for t in &mesh.triangles {
                let [a, b, c] = t.map(|k| mesh.vertices[k]);
                let normals = t.map(|k| mesh.normals[k]);
                let places = t.map(|k| mesh.places.get(k).copied().unwrap_or_default());
                triangles.push(Triangle { corner: a, sides: [sub(b, a), sub(c, a)], normals, places, body });
            }
        }
        let mut world = Self { triangles, nodes: vec![], materials: bodies.iter().map(|(_, m)| m.clone()).collect() };
        let count = world.triangles.len();
        if count > 0 {
            world.divide(0, count);
        }
        world
    }

    /// Makes the box of these triangles, halving the longest side by the number of triangles.
    fn divide(&mut self, first: usize, count: usize) -> usize {
        let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
        for t in &self.triangles[first..first + count] {
            let [a, b] = t.sides;
            for corner in [[0.0; 3], a, b] {
                for k in 0..3 {
                    low[k] = low[k].min(t.corner[k] + corner[k]);
                    high[k] = high[k].max(t.corner[k] + corner[k]);
                }
            }
        }
        let index = self.nodes.len();
        self.nodes.push(Node { low, high, first, count, second: 0 });
        if count > LEAF {
            let axis = (0..3).max_by(|a, b| (high[*a] - low[*a]).total_cmp(&(high[*b] - low[*b]))).expect("three axes");
            let middle = |t: &Triangle| 3.0 * t.corner[axis] + t.sides[0][axis] + t.sides[1][axis];
            self.triangles[first..first + count].sort_by(|a, b| middle(a).total_cmp(&middle(b)));
            let half = count / 2;
            self.divide(first, half);
            let second = self.divide(first + half, count - half);
            (self.nodes[index].count, self.nodes[index].second) = (0, second);
        }
        index
    }

    /// The first surface that a ray meets within `limit`.
    pub fn hit(&self, origin: [f64; 3], direction: [f64; 3], limit: f64) -> Option<Hit> {
        let mut best = limit;
        let mut found: Option<(usize, f64, f64)> = None;
        // Along an axis a box's side and the ray may touch, where zero times infinity would lose it.
        let inverse = direction.map(|d: f64| 1.0 / if d.abs() < 1e-12 { 1e-12f64.copysign(d) } else { d });
        let mut stack = [0usize; 64];
        let mut depth = usize::from(!self.nodes.is_empty());
        while depth > 0 {
            depth -= 1;
            let index = stack[depth];
            let node = &self.nodes[index];
            let (mut near, mut far) = (0.0f64, best);
            for k in 0..3 {
                let (a, b) = ((node.low[k] - origin[k]) * inverse[k], (node.high[k] - origin[k]) * inverse[k]);
                near = near.max(a.min(b));
                far = far.min(a.max(b));
            }
            if near > far {
                continue;
            }
            if node.count == 0 {
                (stack[depth], stack[depth + 1]) = (index + 1, node.second);
                depth += 2;
                continue;
            }
            for k in node.first..node.first + node.count {
                if let Some((distance, u, v)) = self.triangles[k].hit(origin, direction).filter(|(d, ..)| *d < best) {
                    best = distance;
                    found = Some((k, u, v));
                }
            }
        }
        found.map(|(k, u, v)| {
            let t = &self.triangles[k];
            let [a, b, c] = t.normals;
            let smooth: [f64; 3] = std::array::from_fn(|x| (1.0 - u - v) * a[x] + u * b[x] + v * c[x]);
            let normal = unit(if dot(smooth, smooth) > 0.0 { smooth } else { cross(t.sides[0], t.sides[1]) });
            let normal = if dot(normal, direction) > 0.0 { normal.map(|n| -n) } else { normal };
            let [p, q, r] = t.places;
            let place = std::array::from_fn(|x| (1.0 - u - v) * p[x] + u * q[x] + v * r[x]);
            Hit { distance: best, body: t.body, normal, place }
        })
    }
}

impl Triangle {
    /// Möller and Trumbore's test: distance and two barycentric coordinates.
    fn hit(&self, origin: [f64; 3], direction: [f64; 3]) -> Option<(f64, f64, f64)> {
        let p = cross(direction, self.sides[1]);
        let det = dot(self.sides[0], p);
        if det.abs() < 1e-14 {
            return None;
        }
        let s = sub(origin, self.corner);
        let u = dot(s, p) / det;
        let q = cross(s, self.sides[0]);
        let v = dot(direction, q) / det;
        let distance = dot(self.sides[1], q) / det;
        // A hair more than the triangle, so that no ray slips through where several meet.
        const EDGE: f64 = 1e-9;
        (u >= -EDGE && v >= -EDGE && u + v <= 1.0 + EDGE && distance > 1e-9).then_some((distance, u, v))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_corners_normals_cancel_the_triangle_has_its_own() {
        let mesh = Mesh {
            vertices: vec![[0.0; 3], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
            normals: vec![[0.0, 0.0, 1.0], [0.0, 0.0, -1.0], [0.0, 0.0, -1.0]],
            triangles: vec![[0, 1, 2]],
            places: vec![],
        };
        let material = Material { colours: [[1.0; 3]; 2], pattern: Pattern::Plain, gloss: 0.0 };
        let hit = World::new(&[(mesh, material)]).hit([0.25, 0.25, 1.0], [0.0, 0.0, -1.0], 9.0).unwrap();
        assert_eq!((hit.normal, hit.distance), ([0.0, 0.0, 1.0], 1.0));
    }
}
