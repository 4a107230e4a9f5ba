//! The graph that lives in the tensors: which operation made a tensor, from what, and how a gradient goes back.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use smallvec::SmallVec;

use crate::custom::Custom;
use crate::tensor::Tensor;

/// One gradient an input, absent where it was not asked for or is zero.
pub(crate) type Grads = SmallVec<[Option<Tensor>; 3]>;
type Backward = dyn Fn(&Back<'_>) -> Grads + Send + Sync;

/// The operation behind a tracked tensor. Ids grow with time, so an input's id is below its user's: reversed order of ids is
/// an order in which gradients can flow.
pub struct Node {
    id: u64,
    name: &'static str,
    pub(crate) inputs: SmallVec<[Option<Arc<Node>>; 3]>,
    pub(crate) kind: Kind,
}

/// How a node sends its gradient back.
pub(crate) enum Kind {
    /// A variable: gradients end here.
    Leaf,
    /// A primitive whose backward pass is written in tensor operations.
    Op(Box<Backward>),
    /// A fused operation with a hand-written first derivative.
    Custom(Box<Custom>),
}

static NEXT_ID: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static PAUSED: Cell<u32> = const { Cell::new(0) };
    /// Nodes waiting to be dropped. Draining this queue in a loop keeps deep graphs off the call stack.
    static GRAVEYARD: RefCell<Option<Vec<Remains>>> = const { RefCell::new(None) };
}

type Remains = (SmallVec<[Option<Arc<Node>>; 3]>, Kind);

impl Node {
    pub(crate) fn new(name: &'static str, inputs: SmallVec<[Option<Arc<Node>>; 3]>, kind: Kind) -> Arc<Self> {
        Arc::new(Self { id: NEXT_ID.fetch_add(1, Ordering::Relaxed), name, inputs, kind })
    }

    /// Its place in time.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// The operation's name.
    pub fn name(&self) -> &'static str {
        self.name
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if matches!(self.kind, Kind::Leaf) {
            return;
        }
        let remains = (std::mem::take(&mut self.inputs), std::mem::replace(&mut self.kind, Kind::Leaf));
        let mut remains = Some(remains);
        // Inside another node's drop: leave the remains to the loop that runs there.
        let queued = GRAVEYARD.try_with(|grave| match &mut *grave.borrow_mut() {
            Some(queue) => {
                queue.extend(remains.take());
                true
            }
            empty => {
                *empty = Some(Vec::new());
                false
            }
        });
        // During the end of a thread the queue is gone; what is left drops in place.
        if queued != Ok(false) {
            return;
        }
        let mut next = remains;
        while let Some(dead) = next {
            drop(dead);
            next = GRAVEYARD.with(|grave| grave.borrow_mut().as_mut().and_then(Vec::pop));
        }
        GRAVEYARD.with(|grave| *grave.borrow_mut() = None);
    }
}

/// Whether operations on this thread are recorded.
pub fn is_recording() -> bool {
    PAUSED.with(|p| p.get() == 0)
}

struct Pause(u32);

impl Drop for Pause {
    fn drop(&mut self) {
        PAUSED.with(|p| p.set(self.0));
    }
}

/// Runs `f` without recording: tensors made inside carry no graph. Holds for this thread.
///
/// ```
/// use elbo_tensor::{Tensor, no_grad};
/// let x = Tensor::scalar(2.0).variable();
/// assert!(!no_grad(|| x.exp()).is_tracked());
/// ```
pub fn no_grad<R>(f: impl FnOnce() -> R) -> R {
    let _pause = Pause(PAUSED.with(|p| p.replace(p.get() + 1)));
    f()
}

/// Runs `f` with recording on, also inside [`no_grad`].
///
/// Work that takes gradients on a pool of threads wants this: a thread that waits for others inside `no_grad` may be handed it meanwhile, and would
/// compute it without a graph.
pub fn with_grad<R>(f: impl FnOnce() -> R) -> R {
    let _pause = Pause(PAUSED.with(|p| p.replace(0)));
    f()
}

/// What a backward pass is given.
pub(crate) struct Back<'a> {
    /// Gradient of the objective with respect to the output, in the output's shape.
    pub grad: &'a Tensor,
    pub wanted: &'a [bool],
    pub node: &'a Arc<Node>,
}

impl Back<'_> {
    /// Runs `f` when the gradient of input `i` is asked for.
    pub fn when(&self, i: usize, f: impl FnOnce() -> Tensor) -> Option<Tensor> {
        self.wanted[i].then(f)
    }

    /// The operation's output as a member of the graph, from its saved value. Saving the value alone avoids a cycle.
    pub fn output(&self, value: &Tensor) -> Tensor {
        Tensor { node: Some(self.node.clone()), ..value.clone() }
    }
}

impl Tensor {
    /// A variable with this value: a leaf for which gradients can be asked.
    pub fn variable(self) -> Self {
        assert!(self.dtype().is_real(), "a variable must be f32 or f64, found {}", self.dtype());
        Self { node: Some(Node::new("variable", SmallVec::new(), Kind::Leaf)), ..self }
    }

    /// The same value outside the graph.
    pub fn detach(&self) -> Self {
        Self { storage: self.storage.clone(), layout: self.layout.clone(), node: None }
    }

    /// Puts a computed value into the graph when recording is on and an input is tracked.
    pub(crate) fn record<const N: usize, F>(self, name: &'static str, inputs: [&Tensor; N], backward: F) -> Self
    where
        F: Fn(&Back<'_>) -> [Option<Tensor>; N] + Send + Sync + 'static,
    {
        if inputs.iter().all(|i| i.node.is_none()) || !is_recording() {
            return self;
        }
        let parents = inputs.iter().map(|i| i.node.clone()).collect();
        let kind = Kind::Op(Box::new(move |b| backward(b).into_iter().collect()));
        Self { node: Some(Node::new(name, parents, kind)), ..self }
    }

    /// [`Tensor::record`] for any number of inputs.
    pub(crate) fn record_many<F>(self, name: &'static str, inputs: &[&Tensor], backward: F) -> Self
    where
        F: Fn(&Back<'_>) -> Grads + Send + Sync + 'static,
    {
        if inputs.iter().all(|i| i.node.is_none()) || !is_recording() {
            return self;
        }
        let parents = inputs.iter().map(|i| i.node.clone()).collect();
        Self { node: Some(Node::new(name, parents, Kind::Op(Box::new(backward)))), ..self }
    }

    /// [`Tensor::record`] for a backward pass that uses the output, given as its second argument.
    pub(crate) fn record_output<const N: usize, F>(self, name: &'static str, inputs: [&Tensor; N], backward: F) -> Self
    where
        F: Fn(&Back<'_>, Tensor) -> [Option<Tensor>; N] + Send + Sync + 'static,
    {
        if inputs.iter().all(|i| i.node.is_none()) || !is_recording() {
            return self;
        }
        let value = self.clone();
        self.record(name, inputs, move |b| backward(b, b.output(&value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_graph_of_a_million_nodes_drops_without_overflow() {
        let x = Tensor::scalar(1.0).variable();
        let mut y = x.clone();
        for _ in 0..1_000_000 {
            y = -&y;
        }
        assert_eq!(crate::grad(&y, &[&x])[0].item(), 1.0);
        drop(y);
    }

    #[test]
    fn recording_stops_inside_and_resumes_after() {
        let x = Tensor::scalar(2.0).variable();
        let inside = no_grad(|| (is_recording(), with_grad(|| x.exp().is_tracked())));
        assert_eq!(inside, (false, true));
        assert!(is_recording());
    }
}
