//! A number of places, without a queue: who finds none is told at once.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};

/// So many at once.
#[derive(Debug)]
pub(super) struct Gate {
    taken: AtomicUsize,
    most: usize,
}

/// A place, given back when it is dropped.
#[derive(Debug)]
#[must_use]
pub struct Permit<'a>(&'a AtomicUsize);

impl Gate {
    pub(super) const fn new(most: usize) -> Self {
        Self { taken: AtomicUsize::new(0), most }
    }

    /// How many are taken, and how many there are.
    pub(super) fn taken(&self) -> (usize, usize) {
        (self.taken.load(Ordering::Relaxed).min(self.most), self.most)
    }

    /// A place, if there is one. Of two that come for the last at the same moment, both may be sent away; never more
    /// than `most` get in.
    pub(super) fn enter(&self) -> Option<Permit<'_>> {
        let before = self.taken.fetch_add(1, Ordering::Relaxed);
        let permit = Permit(&self.taken);
        (before < self.most).then_some(permit)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// So many at once for each. Who they are is kept as a keyed hash into a fixed table: two may share a row, and neither can
/// choose with whom.
#[derive(Debug)]
pub(super) struct Shares {
    gates: Vec<Gate>,
    hasher: RandomState,
}

const SHARES: usize = 1024;

impl Shares {
    pub(super) fn new(most: usize) -> Self {
        Self { gates: (0..SHARES).map(|_| Gate::new(most)).collect(), hasher: RandomState::new() }
    }

    /// A place for this one, if there is one.
    pub(super) fn enter(&self, who: &impl Hash) -> Option<Permit<'_>> {
        let row = usize::try_from(self.hasher.hash_one(who)).unwrap_or_default() % SHARES;
        self.gates.get(row)?.enter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_back_and_no_refusal_takes_one() {
        let gate = Gate::new(2);
        for _ in 0..3 {
            let inside: Vec<_> = (0..2).map(|_| gate.enter().unwrap()).collect();
            assert!((0..100).all(|_| gate.enter().is_none()));
            drop(inside);
        }
        assert_eq!(gate.taken.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_share_is_each_ones_own() {
        let shares = Shares::new(2);
        let taken: Vec<_> = std::iter::from_fn(|| shares.enter(&"a")).collect();
        assert_eq!(taken.len(), 2);
        let others = (0..1000).filter(|other| shares.enter(other).is_some()).count();
        assert!(others > 980, "{others}: all but who happens to share the row");
        drop(taken);
        assert!(shares.enter(&"a").is_some());
    }

    #[test]
    fn many_threads_never_get_in_at_once() {
        let (gate, inside) = (Gate::new(3), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        if let Some(_permit) = gate.enter() {
                            assert!(inside.fetch_add(1, Ordering::SeqCst) < 3);
                            inside.fetch_sub(1, Ordering::SeqCst);
                        }
                    }
                });
            }
        });
        assert_eq!(gate.taken.load(Ordering::Relaxed), 0);
    }
}
