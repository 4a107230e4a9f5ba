//! Large buffers used again.
//!
//! A training step makes the same temporary tensors every time. Asking the system for fresh pages and clearing them costs more than the
//! arithmetic of most elementwise operations, so the storage of a large tensor that nobody needs any more is kept for the next one.
//! So is what a filter remembers and returns of a long series.

use std::collections::BTreeMap;
use std::sync::Mutex;

/// Buffers from this many bytes on are kept.
const SMALLEST: usize = 16 * 1024;

/// Bytes kept for each type; beyond them everything is given back.
const MOST: usize = 1 << 28;

/// Buffers of one type that wait, by capacity.
#[derive(Debug)]
pub struct Shelf<T> {
    waiting: BTreeMap<usize, Vec<Vec<T>>>,
    bytes: usize,
}

impl<T> Shelf<T> {
    /// With nothing on it.
    pub const fn empty() -> Mutex<Self> {
        Mutex::new(Self { waiting: BTreeMap::new(), bytes: 0 })
    }
}

/// A type whose buffers are kept, on a shelf of its own that all threads share.
pub trait Shelved: Copy + Default + Send + 'static {
    /// The shelf: a `static` that [`Shelf::empty`] made.
    fn shelf() -> &'static Mutex<Shelf<Self>>;
}

macro_rules! shelved {
    ($($type:ty)*) => {$(
        impl Shelved for $type {
            fn shelf() -> &'static Mutex<Shelf<Self>> {
                static SHELF: Mutex<Shelf<$type>> = Shelf::empty();
                &SHELF
            }
        }
    )*};
}
shelved!(f32 f64 u32 i64 bool usize);

/// A buffer with arbitrary contents, for results that are written in full: what is read before it is written may come from anywhere.
pub fn buffer<T: Shelved>(n: usize) -> Vec<T> {
    if n * size_of::<T>() >= SMALLEST {
        let mut shelf = T::shelf().lock().unwrap_or_else(|broken| broken.into_inner());
        // At most a quarter is wasted.
        let found = shelf.waiting.range(n..=n + n / 4).next().map(|(capacity, _)| *capacity);
        if let Some(capacity) = found {
            let same = shelf.waiting.get_mut(&capacity).expect("the key was found above");
            let mut taken = same.pop().expect("lists on the shelf are not empty");
            if same.is_empty() {
                shelf.waiting.remove(&capacity);
            }
            shelf.bytes -= capacity * size_of::<T>();
            drop(shelf);
            taken.resize(n, T::default());
            return taken;
        }
    }
    vec![T::default(); n]
}

/// A buffer of zeros, for sums.
pub fn zeros<T: Shelved>(n: usize) -> Vec<T> {
    if n * size_of::<T>() < SMALLEST {
        return vec![T::default(); n];
    }
    let mut values = buffer(n);
    values.fill(T::default());
    values
}

/// Keeps a buffer for the next [`buffer`], if it is worth it.
pub fn keep<T: Shelved>(values: Vec<T>) {
    let (capacity, bytes) = (values.capacity(), values.capacity() * size_of::<T>());
    if !(SMALLEST..=MOST / 2).contains(&bytes) {
        return;
    }
    let mut shelf = T::shelf().lock().unwrap_or_else(|broken| broken.into_inner());
    if shelf.bytes + bytes > MOST {
        // Sizes have changed; what has piled up is of no use.
        let old = std::mem::take(&mut shelf.waiting);
        shelf.bytes = 0;
        drop(shelf);
        drop(old);
        return;
    }
    shelf.bytes += bytes;
    shelf.waiting.entry(capacity).or_default().push(values);
}

/// A buffer that goes back to the shelf by itself.
#[derive(Debug)]
pub struct Kept<T: Shelved>(Vec<T>);

impl<T: Shelved> Kept<T> {
    /// With arbitrary contents.
    pub fn new(n: usize) -> Self {
        Self(buffer(n))
    }

    /// Zeros.
    pub fn zeros(n: usize) -> Self {
        Self(zeros(n))
    }

    /// A copy.
    pub fn copy_of(values: &[T]) -> Self {
        let mut copy = Self::new(values.len());
        copy.copy_from_slice(values);
        copy
    }

    /// Empty, with room for `n`.
    pub fn empty(n: usize) -> Self {
        let mut list = Self::new(n);
        list.0.clear();
        list
    }

    /// The buffer itself, which does not go back.
    pub fn into_vec(mut self) -> Vec<T> {
        std::mem::take(&mut self.0)
    }

    /// Adds at the end.
    pub fn extend(&mut self, values: impl Iterator<Item = T>) {
        self.0.extend(values);
    }
}

impl<T: Shelved> Clone for Kept<T> {
    fn clone(&self) -> Self {
        Self::copy_of(self)
    }
}

impl<T: Shelved + PartialEq> PartialEq for Kept<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<T: Shelved> std::ops::Deref for Kept<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'a, T: Shelved> IntoIterator for &'a Kept<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<T: Shelved> std::ops::DerefMut for Kept<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

impl<T: Shelved> Drop for Kept<T> {
    fn drop(&mut self) {
        keep(std::mem::take(&mut self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_buffer_comes_back_for_a_similar_size_only() {
        // A size that no other test uses.
        let mut first = buffer::<f32>(77_777);
        first[77_776] = 3.0;
        let place = first.as_ptr();
        keep(first);
        let other = buffer::<f32>(60_000);
        assert_ne!(other.as_ptr(), place);
        let mut second = buffer::<f32>(77_000);
        assert_eq!((second.as_ptr(), second.len()), (place, 77_000));
        second.fill(3.0);
        keep(second);
        let cleared = zeros::<f32>(77_777);
        assert_eq!(cleared.as_ptr(), place, "zeros are not of the buffer that was written");
        assert!(cleared.iter().all(|v| *v == 0.0));
    }

    #[test]
    fn a_kept_list_goes_back_when_it_is_dropped_and_not_when_it_is_taken_out() {
        // Of a type that no other test here keeps.
        let mut list: Kept<f64> = Kept::new(5000);
        list.fill(2.0);
        let place = list.as_ptr();
        let copy = list.clone();
        assert!(copy == list && copy.as_ptr() != place);
        drop(list);
        let mut again: Kept<f64> = Kept::empty(4500);
        assert_eq!((again.as_ptr(), again.len()), (place, 0));
        again.extend((0..4500).map(f64::from));
        assert_eq!((again.as_ptr(), again.len(), again[4499]), (place, 4500, 4499.0));
        let own = again.into_vec();
        assert_eq!(own.as_ptr(), place);
        assert_ne!(Kept::<f64>::zeros(4500).as_ptr(), place, "what was taken out is still on the shelf");
    }
}
