//! Numbers from a seed. Each case has a stream of its own, so that one can be made again alone.

/// `SplitMix64`: <https://prng.di.unimi.it/splitmix64.c>
pub(super) struct Random(u64);

impl Random {
    /// The stream for number `index` of what `domain` names.
    pub(super) fn new(seed: u64, domain: &str, index: u64) -> Self {
        let mut state = Self(seed);
        for byte in domain.bytes() {
            state = Self(state.next() ^ u64::from(byte));
        }
        Self(state.next() ^ Self(index).next())
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 to `end` without it. The bias of the remainder does not matter to a test.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// `from` to `to` with both.
    pub(super) fn between(&mut self, from: i64, to: i64) -> i64 {
        from + self.below(to.abs_diff(from) + 1).cast_signed()
    }

    pub(super) fn length(&mut self, from: usize, to: usize) -> usize {
        from + usize::try_from(self.next() % 0xffff_ffff).unwrap() % (to - from + 1)
    }

    pub(super) fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.length(0, from.len() - 1)]
    }

    /// `length` characters out of an alphabet of ASCII.
    pub(super) fn text(&mut self, alphabet: &str, length: usize) -> String {
        (0..length).map(|_| char::from(self.pick(alphabet.as_bytes()))).collect()
    }
}
