//! How many connections there may be, in all and from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Whose connections are counted together: an address of IPv4, or a /64 of IPv6,
/// which is the least that a network gives to one customer (RFC 6177).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Peer {
    V4([u8; 4]),
    V6(u128),
}

impl Peer {
    fn of(address: IpAddr) -> Self {
        // A listener on `[::]` sees IPv4 as `::ffff:a.b.c.d`.
        match address.to_canonical() {
            IpAddr::V4(v4) => Self::V4(v4.octets()),
            IpAddr::V6(v6) => Self::V6(v6.to_bits() >> 64),
        }
    }
}

/// Which cap a connection is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    Total,
    Address,
}

/// The caps, and what counts against them.
#[derive(Debug)]
pub(super) struct Caps {
    total: usize,
    per_address: Option<NonZeroUsize>,
    held: Mutex<Held>,
}

/// As many entries as there are connections, at the most.
#[derive(Debug, Default)]
struct Held {
    total: usize,
    by_peer: HashMap<Peer, usize>,
}

impl Caps {
    pub(super) fn new(total: usize, per_address: Option<NonZeroUsize>) -> Arc<Self> {
        Arc::new(Self { total, per_address, held: Mutex::default() })
    }

    /// A place for a connection from `address`, held until it is dropped.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Place, Over> {
        let peer = self.per_address.map(|limit| (Peer::of(address), limit.get()));
        let mut held = self.held();
        if held.total >= self.total {
            return Err(Over::Total);
        }
        if let Some((peer, limit)) = peer {
            let count = held.by_peer.entry(peer).or_default();
            if *count >= limit {
                return Err(Over::Address);
            }
            *count = count.saturating_add(1);
        }
        held.total = held.total.saturating_add(1);
        drop(held);
        Ok(Place { caps: Arc::clone(self), peer: peer.map(|(peer, _)| peer) })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // Nothing that holds it can panic.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one connection.
#[derive(Debug)]
pub(super) struct Place {
    caps: Arc<Caps>,
    peer: Option<Peer>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.caps.held();
        held.total = held.total.saturating_sub(1);
        let Some(peer) = self.peer else { return };
        let left = held.by_peer.get(&peer).map_or(0, |count| count.saturating_sub(1));
        if left == 0 {
            held.by_peer.remove(&peer);
        } else {
            held.by_peer.insert(peer, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn places_are_given_up_to_the_total_and_come_back() {
        let caps = Caps::new(2, None);
        let (_first, second) = (caps.admit(ip("192.0.2.1")).unwrap(), caps.admit(ip("192.0.2.1")).unwrap());
        assert_eq!(caps.admit(ip("192.0.2.2")).unwrap_err(), Over::Total);
        drop(second);
        assert!(caps.admit(ip("192.0.2.2")).is_ok());
    }

    #[test]
    fn an_address_has_its_own_cap_and_ipv6_counts_by_64() {
        let caps = Caps::new(100, NonZeroUsize::new(1));
        for (one, same, other) in [
            ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"),
            ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "2001:db8:0:2::1"),
        ] {
            let place = caps.admit(ip(one)).unwrap();
            assert_eq!(caps.admit(ip(same)).unwrap_err(), Over::Address, "{same}");
            assert!(caps.admit(ip(other)).is_ok(), "{other}");
            drop(place);
            assert!(caps.admit(ip(same)).is_ok(), "{same}");
        }
        assert!(caps.held().by_peer.is_empty());
        assert_eq!(caps.held().total, 0);
    }
}
