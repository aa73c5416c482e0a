//! Randomness as text.

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The system gives none.
#[derive(Debug, thiserror::Error)]
#[error("this machine gives no randomness")]
pub(crate) struct NoRandomness;

/// 32 random bytes as text that may stand in a key, a name or a URL.
pub(crate) fn random_text() -> Result<String, NoRandomness> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
