//! Derivatives of what the graph recorded.
//!
//! | I want | use |
//! |---|---|
//! | the gradient of a scalar, to take a step | [`grad`] |
//! | a gradient to differentiate again | [`grad_graph`] |
//! | vᵀ J of a function with several outputs | [`vjp`] |
//! | J v | [`jvp`] |
//! | H v of a scalar function | [`hvp`] |
//! | the whole J | [`jacobian`] |
//! | each example's own gradient | [`per_sample`], [`per_sample_square_norms`] |
//! | less memory in a deep function, for one more forward pass | [`checkpoint`] |

mod per_sample;

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use smallvec::SmallVec;

pub use per_sample::{Layer, PerSample, per_sample, per_sample_square_norms};

use crate::tape::{Back, Grads, Kind, Node, is_recording, no_grad, with_grad};
use crate::tensor::Tensor;

/// Ids are consecutive integers; a multiplication spreads them enough.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("only u64 keys are hashed")
    }
    fn write_u64(&mut self, id: u64) {
        self.0 = id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// The part of the graph between the outputs and the inputs asked for.
struct Sweep<'a> {
    nodes: Vec<&'a Arc<Node>>,
    place: HashMap<u64, u32, BuildHasherDefault<IdHasher>>,
    /// Whether an asked input lies at or below the node.
    needed: Vec<bool>,
}

impl<'a> Sweep<'a> {
    fn new(outputs: &[(&'a Tensor, Tensor)], inputs: &[&Tensor]) -> Self {
        let targets: SmallVec<[u64; 8]> = inputs.iter().filter_map(|i| i.node.as_ref()).map(|n| n.id()).collect();
        // Nothing older than the oldest target can depend on one.
        let oldest = targets.iter().copied().min().unwrap_or(u64::MAX);
        let mut nodes: Vec<&'a Arc<Node>> = vec![];
        let mut place = HashMap::<u64, u32, BuildHasherDefault<IdHasher>>::default();
        let mut stack: Vec<&'a Arc<Node>> = outputs.iter().filter_map(|(o, _)| o.node.as_ref()).collect();
        while let Some(node) = stack.pop() {
            if node.id() < oldest || place.insert(node.id(), 0).is_some() {
                continue;
            }
            nodes.push(node);
            stack.extend(node.inputs.iter().flatten());
        }
        nodes.sort_unstable_by_key(|n| n.id());
        let mut needed = vec![false; nodes.len()];
        for (i, node) in nodes.iter().enumerate() {
            place.insert(node.id(), i as u32);
            needed[i] = targets.contains(&node.id())
                || node.inputs.iter().flatten().any(|p| place.get(&p.id()).is_some_and(|j| needed[*j as usize]));
        }
        Self { nodes, place, needed }
    }

    fn find(&self, tensor: &Tensor) -> Option<usize> {
        tensor.node.as_ref().and_then(|n| self.place.get(&n.id())).map(|i| *i as usize)
    }
}

fn accumulate(slot: &mut Option<Tensor>, gradient: Tensor) {
    *slot = Some(match slot.take() {
        None => gradient,
        Some(sum) => sum + gradient,
    });
}

/// Sends gradients of the outputs back to the inputs, recording what it does when recording is on. `None` where an input has no
/// influence.
pub(crate) fn pullback(outputs: &[(&Tensor, Tensor)], inputs: &[&Tensor]) -> Vec<Option<Tensor>> {
    sweep(outputs, inputs, false)
}

/// Gradients with respect to the inputs of one operation as if they were independent, even where one was made from another:
/// gradients that reach an input stop there. A tensor that is an input twice gets its gradient once.
pub(crate) fn partials(output: &Tensor, gradient: &Tensor, inputs: &[Tensor], wanted: &[bool]) -> Grads {
    let id = |t: &Tensor| t.node.as_ref().map(|n| n.id());
    let is_new = |i: usize| wanted[i] && !(0..i).any(|j| wanted[j] && id(&inputs[j]) == id(&inputs[i]));
    let asked: SmallVec<[usize; 8]> = (0..inputs.len()).filter(|i| is_new(*i)).collect();
    let tensors: Vec<&Tensor> = asked.iter().map(|i| &inputs[*i]).collect();
    let mut grads: Grads = smallvec::smallvec![None; inputs.len()];
    for (i, found) in asked.iter().zip(sweep(&[(output, gradient.clone())], &tensors, true)) {
        grads[*i] = found;
    }
    grads
}

fn sweep(outputs: &[(&Tensor, Tensor)], inputs: &[&Tensor], stop_at_inputs: bool) -> Vec<Option<Tensor>> {
    let sweep = Sweep::new(outputs, inputs);
    let mut found: Vec<Option<Tensor>> = vec![None; inputs.len()];
    let mut asked: Vec<(usize, usize)> =
        inputs.iter().enumerate().filter_map(|(i, t)| sweep.find(t).map(|at| (at, i))).collect();
    asked.sort_unstable();
    let mut gradients: Vec<Option<Tensor>> = vec![None; sweep.nodes.len()];
    for (output, seed) in outputs {
        assert_eq!(output.shape(), seed.shape(), "a gradient must have the output's shape");
        assert_eq!(output.dtype(), seed.dtype(), "a gradient must have the output's type");
        if let Some(at) = sweep.find(output) {
            accumulate(&mut gradients[at], seed.clone());
        }
    }
    for (at, node) in sweep.nodes.iter().enumerate().rev() {
        let gradient = gradients[at].take();
        let mut is_input = false;
        while let Some((_, input)) = asked.pop_if(|(place, _)| *place == at) {
            found[input] = gradient.clone();
            is_input = true;
        }
        if is_input && stop_at_inputs {
            continue;
        }
        let Some(gradient) = gradient.filter(|_| sweep.needed[at]) else { continue };
        let parents: SmallVec<[Option<usize>; 3]> = node
            .inputs
            .iter()
            .map(|p| p.as_ref().and_then(|p| sweep.place.get(&p.id())).map(|i| *i as usize))
            .map(|place| place.filter(|i| sweep.needed[*i]))
            .collect();
        if parents.iter().all(Option::is_none) {
            continue;
        }
        let wanted: SmallVec<[bool; 8]> = parents.iter().map(Option::is_some).collect();
        let sent = match &node.kind {
            Kind::Leaf => continue,
            Kind::Op(backward) => backward(&Back { grad: &gradient, wanted: &wanted, node }),
            Kind::Custom(custom) => custom.backward(node.name(), &gradient, &wanted),
        };
        drop(gradient);
        for (parent, gradient) in parents.iter().zip(sent) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                accumulate(&mut gradients[*parent], gradient);
            }
        }
    }
    found
}

fn or_zeros(found: Vec<Option<Tensor>>, inputs: &[&Tensor]) -> Vec<Tensor> {
    found.into_iter().zip(inputs).map(|(g, i)| g.unwrap_or_else(|| i.zeros_like())).collect()
}

fn seed(output: &Tensor) -> Tensor {
    assert_eq!(output.len(), 1, "`grad` needs a scalar, found shape {:?}; use `vjp` or `jacobian`", output.shape());
    output.ones_like()
}

/// Gradients of a scalar, outside the graph; zeros for inputs it does not depend on. Inputs are variables or anything between
/// them and the output.
pub fn grad(output: &Tensor, inputs: &[&Tensor]) -> Vec<Tensor> {
    let seed = seed(output);
    no_grad(|| or_zeros(pullback(&[(output, seed)], inputs), inputs))
}

/// Gradients of a scalar as members of the graph, to be differentiated again.
pub fn grad_graph(output: &Tensor, inputs: &[&Tensor]) -> Vec<Tensor> {
    let seed = seed(output);
    with_grad(|| or_zeros(pullback(&[(output, seed)], inputs), inputs))
}

/// Vector-Jacobian product vᵀ J: `cotangent` has the output's shape. Recorded when `create_graph`.
pub fn vjp(output: &Tensor, inputs: &[&Tensor], cotangent: &Tensor, create_graph: bool) -> Vec<Tensor> {
    vjp_many(&[(output, cotangent)], inputs, create_graph)
}

/// [`vjp`] summed over several outputs, in one pass.
pub fn vjp_many(outputs: &[(&Tensor, &Tensor)], inputs: &[&Tensor], create_graph: bool) -> Vec<Tensor> {
    let outputs: Vec<(&Tensor, Tensor)> = outputs.iter().map(|(o, c)| (*o, (*c).clone())).collect();
    let run = || or_zeros(pullback(&outputs, inputs), inputs);
    if create_graph { with_grad(run) } else { no_grad(run) }
}

/// Jacobian-vector product J v of the recorded function, by differentiating vᵀ J with respect to v. `tangents` have the inputs'
/// shapes; returns the output's shape.
pub fn jvp(output: &Tensor, inputs: &[&Tensor], tangents: &[&Tensor]) -> Tensor {
    assert_eq!(inputs.len(), tangents.len(), "`jvp` needs one tangent an input");
    let cotangent = output.zeros_like().variable();
    let pulled = with_grad(|| pullback(&[(output, cotangent.clone())], inputs));
    let outputs: Vec<(&Tensor, Tensor)> =
        pulled.iter().zip(tangents).filter_map(|(g, t)| g.as_ref().map(|g| (g, t.detach()))).collect();
    no_grad(|| or_zeros(pullback(&outputs, &[&cotangent]), &[&cotangent]).remove(0))
}

/// Hessian-vector products of a scalar, one an input.
pub fn hvp(output: &Tensor, inputs: &[&Tensor], vectors: &[&Tensor]) -> Vec<Tensor> {
    let gradients = grad_graph(output, inputs);
    let pairs: Vec<(&Tensor, &Tensor)> = gradients.iter().zip(vectors.iter().copied()).collect();
    vjp_many(&pairs, inputs, false)
}

/// The Jacobian with respect to one input: shape `[output shape..., input shape...]`. Costs one backward pass an output element.
pub fn jacobian(output: &Tensor, input: &Tensor) -> Tensor {
    let n = output.len();
    let shape = [output.shape(), input.shape()].concat();
    let rows: Vec<Tensor> = (0..n)
        .map(|i| {
            let mut unit = vec![0.0; n];
            unit[i] = 1.0;
            let unit = Tensor::from_vec(unit, output.shape()).cast(output.dtype());
            vjp(output, &[input], &unit, false).remove(0)
        })
        .collect();
    if rows.is_empty() {
        return Tensor::zeros(&shape, input.dtype());
    }
    no_grad(|| Tensor::stack(&rows, 0).reshape(&shape))
}

/// Runs `f` and forgets its intermediate values; the backward pass runs it again. Gradients reach `inputs` only, so whatever else
/// `f` uses counts as constant.
pub fn checkpoint(inputs: &[&Tensor], f: impl Fn(&[Tensor]) -> Tensor + Send + Sync + 'static) -> Tensor {
    let owned: Vec<Tensor> = inputs.iter().map(|i| (*i).clone()).collect();
    let value = no_grad(|| f(&owned));
    value.record_many("checkpoint", inputs, move |b| {
        let again: Vec<Tensor> = if is_recording() {
            owned.clone()
        } else {
            // Fresh variables keep the graph of the second run apart from the rest.
            owned.iter().map(|t| if t.is_tracked() { t.detach().variable() } else { t.clone() }).collect()
        };
        let output = with_grad(|| f(&again));
        partials(&output, b.grad, &again, b.wanted)
    })
}
