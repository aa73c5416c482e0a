//! Every small change of a good token, of every algorithm, against all keys at once.

use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Alphabet characters, its edges, and what other encodings would put there.
const CHARACTERS: &[u8] = b"AaBbMmYZz0189-_.=+/ ?~%\n";

/// H34: at least 100,000 tokens that differ from a good one in one character or one bit.
#[test]
fn no_token_with_a_changed_character_or_bit_is_accepted() {
    let issuers: Vec<_> = issuer::ALL.map(Issuer::new).into_iter().collect();
    let verifier = Verifier::new(issuers.iter().map(key_of).collect(), rules());
    let tried = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for issuer in &issuers {
            let (verifier, tried) = (&verifier, &tried);
            scope.spawn(move || {
                let token = issuer.token(json!({"typ": "JWT"}), &claims());
                assert!(verifier.verify(&token, now()).is_ok(), "{}", issuer.alg);
                let mut count = 0;
                for changed in changes(&token) {
                    assert!(verifier.verify(&changed, now()).is_err(), "{}: {changed}", issuer.alg);
                    count += 1;
                }
                tried.fetch_add(count, Ordering::Relaxed);
            });
        }
    });
    let tried = tried.into_inner();
    assert!(tried >= 100_000, "{tried}");
}

fn changes(token: &str) -> impl Iterator<Item = String> {
    let places = 0..token.len();
    let characters = places.clone().flat_map(move |at| CHARACTERS.iter().map(move |c| with_byte(token, at, *c)));
    let bits = places
        .clone()
        .flat_map(move |at| (0..7).map(move |bit| with_byte(token, at, token.as_bytes()[at] ^ (1 << bit))));
    let shorter = places.map(move |at| Some(format!("{}{}", &token[..at], &token[at + 1..])));
    let inner = (0..3).flat_map(move |part| with_inner_bits(token, part)).map(Some);
    characters.chain(bits).chain(shorter).chain(inner).flatten().filter(move |changed| changed != token)
}

fn with_byte(token: &str, at: usize, byte: u8) -> Option<String> {
    let mut bytes = token.as_bytes().to_vec();
    bytes[at] = byte;
    String::from_utf8(bytes).ok()
}

/// The token with each bit of one decoded part turned, and the part encoded again.
fn with_inner_bits(token: &str, part: usize) -> Vec<String> {
    let parts: Vec<_> = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap()).collect();
    let turned = (0..parts[part].len() * 8).map(|bit| {
        let mut parts = parts.clone();
        parts[part][bit / 8] ^= 1 << (bit % 8);
        parts.iter().map(b64).collect::<Vec<_>>().join(".")
    });
    turned.collect()
}
