//! The upload token: what this service has to know of an upload in parts, kept by whoever uploads.
//!
//! The process has no memory, so all that is known of an upload goes to the caller and comes back: sealed with
//! AES-256-GCM-SIV (RFC 8452, which forgives a nonce that is drawn twice) under a key that only the replicas know. Its text:
//!
//! ```text
//! base64url( version, 1 byte | key id, 4 | nonce, 12 | sealed fields and tag )
//! ```
//!
//! A token proves nothing but that we wrote it: who shows it must be who it was written for ([`Owner`]), and the policy
//! decides anew each time, so a caller whose right was taken away has a token for nothing.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest;
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::parts::{PartChecksum, PartPlan};
use super::policy::Caller;

/// The only layout so far.
const VERSION: u8 = 1;
const KEY_ID_LEN: usize = 4;
const HEAD_LEN: usize = 1 + KEY_ID_LEN + NONCE_LEN;
const OWNER_LEN: usize = digest::SHA256_OUTPUT_LEN;

/// The longest upload id that is kept, in bytes: five times what a provider is known to give.
pub const MAX_UPLOAD_ID_BYTES: usize = 2048;
/// The longest token, in characters: less than a URL may have.
pub const MAX_TOKEN_CHARS: usize = 6144;

/// Random bytes for one seal.
pub type SealNonce = [u8; NONCE_LEN];

/// Who an upload belongs to: the issuer and subject of the token that began it, as a digest. Callers without a subject
/// are one owner, whom only the store tells from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner([u8; OWNER_LEN]);

impl Owner {
    /// The owner that this caller is.
    #[must_use]
    pub fn of(caller: &Caller) -> Self {
        let mut hash = digest::Context::new(&digest::SHA256);
        for part in [caller.issuer(), caller.subject()] {
            // With its length, so that no two pairs are one text, and absent is not empty.
            hash.update(&[u8::from(part.is_some())]);
            let part = part.unwrap_or_default();
            hash.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let mut owner = [0; OWNER_LEN];
        for (byte, of_hash) in owner.iter_mut().zip(hash.finish().as_ref()) {
            *byte = *of_hash;
        }
        Self(owner)
    }
}

/// An upload in parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capsule {
    /// The name of the storage that it goes to.
    pub storage: String,
    /// The object's key. Text: whoever uses it asks the policy again.
    pub key: String,
    /// S3's own name for the upload.
    pub upload_id: String,
    /// Who began it.
    pub owner: Owner,
    /// Its length, and that of its parts.
    pub plan: PartPlan,
    /// What its parts are checked by.
    pub checksum: Option<PartChecksum>,
    /// What it was said to be.
    pub content_type: Option<String>,
    /// When it began, in seconds since 1970.
    pub began_at: i64,
    /// From then on the token is no longer good, in seconds since 1970.
    pub ends_at: i64,
}

/// A token that is none of ours, was changed, or whose key is no longer listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("uploadToken is not one that this service gave, or the secret that made it is no longer listed")]
pub struct Broken;

/// A capsule that cannot be written: a name in it is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the upload cannot be put into a token")]
pub struct Unsealable;

struct CapsuleKey {
    id: [u8; KEY_ID_LEN],
    key: LessSafeKey,
}

/// The keys in force: the first seals, all open.
pub struct CapsuleKeys(Vec<CapsuleKey>);

impl fmt::Debug for CapsuleKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CapsuleKeys").field(&self.0.len()).finish()
    }
}

impl CapsuleKeys {
    /// Keys derived from `secret`, and from those that came before it.
    #[must_use]
    pub fn new<'s>(secret: &'s [u8], old: impl IntoIterator<Item = &'s [u8]>) -> Self {
        Self(std::iter::once(secret).chain(old).filter_map(derive).collect())
    }

    /// The token for this upload. `nonce` is drawn for this call alone.
    ///
    /// # Errors
    ///
    /// [`Unsealable`] when a text in it is longer than any that we take.
    pub fn seal(&self, capsule: &Capsule, nonce: SealNonce) -> Result<String, Unsealable> {
        let CapsuleKey { id, key } = self.0.first().ok_or(Unsealable)?;
        let mut token = [&[VERSION][..], id, &nonce].concat();
        let mut fields = fields_of(capsule).ok_or(Unsealable)?;
        let nonce = Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_append_tag(nonce, Aad::from(&token), &mut fields).map_err(|_| Unsealable)?;
        token.append(&mut fields);
        let text = URL_SAFE_NO_PAD.encode(token);
        if text.len() <= MAX_TOKEN_CHARS { Ok(text) } else { Err(Unsealable) }
    }

    /// What a token says. Whose it is, and whether it has ended, is for the caller to ask.
    ///
    /// # Errors
    ///
    /// [`Broken`], whatever is wrong with it.
    pub fn open(&self, token: &str) -> Result<Capsule, Broken> {
        // Nothing so long was ever sealed: refused without the work.
        if token.len() > MAX_TOKEN_CHARS {
            return Err(Broken);
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| Broken)?;
        let (head, sealed) = bytes.split_at_checked(HEAD_LEN).ok_or(Broken)?;
        let mut reader = Reader(head);
        let version = reader.array::<1>().ok_or(Broken)?;
        let id = reader.array::<KEY_ID_LEN>().ok_or(Broken)?;
        let nonce = reader.array::<NONCE_LEN>().ok_or(Broken)?;
        if version != [VERSION] {
            return Err(Broken);
        }
        for CapsuleKey { key, .. } in self.0.iter().filter(|key| key.id == id) {
            let mut sealed = sealed.to_vec();
            let nonce = Nonce::assume_unique_for_key(nonce);
            if let Ok(fields) = key.open_in_place(nonce, Aad::from(head), &mut sealed) {
                return capsule_of(fields).ok_or(Broken);
            }
        }
        Err(Broken)
    }
}

/// One secret may serve other ends too, so the key is derived for this one (RFC 5869), and so is its public name.
fn derive(secret: &[u8]) -> Option<CapsuleKey> {
    let derived = Salt::new(HKDF_SHA256, b"filesync-signer upload token").extract(secret);
    let key = derived.expand(&[b"key"], &AES_256_GCM_SIV).map(UnboundKey::from).ok()?;
    let mut name = [0; OWNER_LEN];
    derived.expand(&[b"id"], HKDF_SHA256).and_then(|name_of| name_of.fill(&mut name)).ok()?;
    Some(CapsuleKey { id: *name.first_chunk()?, key: LessSafeKey::new(key) })
}

fn fields_of(capsule: &Capsule) -> Option<Vec<u8>> {
    if capsule.upload_id.len() > MAX_UPLOAD_ID_BYTES {
        return None;
    }
    let mut fields = capsule.owner.0.to_vec();
    for number in [capsule.plan.size(), capsule.plan.part_bytes()] {
        fields.extend(number.to_be_bytes());
    }
    for time in [capsule.began_at, capsule.ends_at] {
        fields.extend(time.to_be_bytes());
    }
    let checksum = capsule.checksum.map_or("", PartChecksum::name);
    let content_type = capsule.content_type.as_deref().unwrap_or_default();
    for text in [&capsule.storage, &capsule.key, &capsule.upload_id, checksum, content_type] {
        fields.extend(u16::try_from(text.len()).ok()?.to_be_bytes());
        fields.extend(text.as_bytes());
    }
    Some(fields)
}

fn capsule_of(fields: &[u8]) -> Option<Capsule> {
    let mut reader = Reader(fields);
    let owner = Owner(reader.array()?);
    let (size, part_bytes) = (u64::from_be_bytes(reader.array()?), u64::from_be_bytes(reader.array()?));
    let (began_at, ends_at) = (i64::from_be_bytes(reader.array()?), i64::from_be_bytes(reader.array()?));
    let (storage, key, upload_id) = (reader.text()?, reader.text()?, reader.text()?);
    let checksum = Some(reader.text()?).filter(|name| !name.is_empty());
    let content_type = Some(reader.text()?).filter(|text| !text.is_empty());
    let capsule = Capsule {
        storage,
        key,
        upload_id,
        owner,
        plan: if part_bytes == 0 {
            PartPlan::open(size)
        } else {
            PartPlan::new(size, Some(part_bytes), part_bytes).ok()?
        },
        checksum: checksum.map(|name| PartChecksum::named(&name).ok_or(())).transpose().ok()?,
        content_type,
        began_at,
        ends_at,
    };
    reader.0.is_empty().then_some(capsule)
}

/// What is not read yet.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    /// A text behind its length.
    fn text(&mut self) -> Option<String> {
        let length = u16::from_be_bytes(self.array()?);
        let (text, rest) = self.0.split_at_checked(length.into())?;
        self.0 = rest;
        String::from_utf8(text.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::policy::Permissions;
    use proptest::prelude::*;

    const SECRET: &[u8] = b"an upload secret of thirty-two bytes or more";
    const OTHER: &[u8] = b"another upload secret of as many bytes, or so";
    const NONCE: SealNonce = [7; NONCE_LEN];

    fn caller(issuer: Option<&str>, subject: Option<&str>) -> Caller {
        Caller {
            issuer: issuer.map(str::to_owned),
            token_id: None,
            subject: subject.map(str::to_owned),
            stores: Vec::new(),
            permissions: Permissions::NONE,
            prefixes: None,
            max_upload_bytes: None,
        }
    }

    fn capsule() -> Capsule {
        Capsule {
            storage: "default".into(),
            key: "s1/a b/é".into(),
            upload_id: "2~VXBsb2FkIElEIGZvciBlbHZpbmcncyBteS1tb3ZpZS5tMnRzIHVwbG9hZA".into(),
            owner: Owner::of(&caller(Some("https://idp"), Some("u1"))),
            plan: PartPlan::new(100 << 20, None, 8 << 20).unwrap(),
            checksum: Some(PartChecksum::Crc32c),
            content_type: Some("video/mp4".into()),
            began_at: 1_795_359_600,
            ends_at: 1_795_446_000,
        }
    }

    fn keys(secret: &[u8], old: &[&[u8]]) -> CapsuleKeys {
        CapsuleKeys::new(secret, old.iter().copied())
    }

    #[test]
    fn a_token_gives_back_what_went_in() {
        let plain = Capsule { checksum: None, content_type: None, ..capsule() };
        for capsule in [capsule(), plain] {
            let token = keys(SECRET, &[]).seal(&capsule, NONCE).unwrap();
            assert!(!token.contains("s1") && token.len() < 400, "{}", token.len());
            assert_eq!(keys(SECRET, &[]).open(&token), Ok(capsule));
        }
    }

    /// No bit of it can be changed, nor any of it left out.
    #[test]
    fn a_token_with_one_bit_changed_is_none() {
        let keys = keys(SECRET, &[]);
        let token = keys.seal(&capsule(), NONCE).unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(keys.open(&URL_SAFE_NO_PAD.encode(changed)), Err(Broken), "bit {bit}");
        }
        for end in 0..bytes.len() {
            assert_eq!(keys.open(&URL_SAFE_NO_PAD.encode(&bytes[..end])), Err(Broken), "{end} bytes");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(keys.open(&URL_SAFE_NO_PAD.encode(longer)), Err(Broken));
        for odd in ["", "=", "not base64!", &format!("{token}="), &format!("{token} "), &"A".repeat(100_000)] {
            assert_eq!(keys.open(odd), Err(Broken), "{}", odd.len());
        }
    }

    /// A secret that was replaced opens as long as it is listed, and no longer.
    #[test]
    fn an_old_secret_opens_while_it_is_listed() {
        let token = keys(SECRET, &[]).seal(&capsule(), NONCE).unwrap();
        assert_eq!(keys(OTHER, &[SECRET]).open(&token), Ok(capsule()));
        assert_eq!(keys(OTHER, &[]).open(&token), Err(Broken));
        let newer = keys(OTHER, &[SECRET]).seal(&capsule(), NONCE).unwrap();
        assert_eq!(keys(SECRET, &[]).open(&newer), Err(Broken), "the first seals");
    }

    #[test]
    fn owners_differ_in_issuer_and_subject() {
        let claims = [None, Some(""), Some("a"), Some("b"), Some("ab")];
        let pairs: Vec<_> = claims.iter().flat_map(|issuer| claims.map(|subject| (*issuer, subject))).collect();
        for one in &pairs {
            for other in &pairs {
                let same = Owner::of(&caller(one.0, one.1)) == Owner::of(&caller(other.0, other.1));
                assert_eq!(same, one == other, "{one:?} {other:?}");
            }
        }
    }

    /// The longest of everything that is ours fits into a URL.
    #[test]
    fn tokens_are_bounded() {
        let longest = Capsule {
            storage: "s".repeat(64),
            key: "k".repeat(1024),
            upload_id: "u".repeat(MAX_UPLOAD_ID_BYTES),
            content_type: Some("t".repeat(256)),
            ..capsule()
        };
        assert!(keys(SECRET, &[]).seal(&longest, NONCE).unwrap().len() <= MAX_TOKEN_CHARS);
        let longer = Capsule { upload_id: "u".repeat(MAX_UPLOAD_ID_BYTES + 1), ..capsule() };
        assert_eq!(keys(SECRET, &[]).seal(&longer, NONCE), Err(Unsealable));
        // The longest that is sealed is opened.
        let (mut last, mut length) = (None, 4000);
        while let Ok(token) =
            keys(SECRET, &[]).seal(&Capsule { content_type: Some("t".repeat(length)), ..capsule() }, NONCE)
        {
            (last, length) = (Some(token), length + 1);
        }
        let last = last.unwrap();
        assert_eq!(last.len(), MAX_TOKEN_CHARS);
        assert_eq!(keys(SECRET, &[]).open(&last).map(|capsule| capsule.content_type.unwrap().len()), Ok(length - 1));
        let endless = Capsule { content_type: Some("t".repeat(100_000)), ..capsule() };
        assert_eq!(keys(SECRET, &[]).seal(&endless, NONCE), Err(Unsealable));
    }

    #[test]
    fn keys_do_not_show_themselves() {
        assert_eq!(format!("{:?}", keys(SECRET, &[OTHER])), "CapsuleKeys(2)");
    }

    proptest! {
        /// Sealed, whatever is in it, comes back as it was, and never for a changed byte.
        #[test]
        fn seal_and_open_are_inverse(
            key in "\\PC{1,200}",
            upload_id in "\\PC{1,200}",
            content_type in proptest::option::of("[a-z]{1,20}/[a-z]{1,20}"),
            size in 1..=super::super::parts::MAX_OBJECT_BYTES,
            times: (i64, i64),
            nonce: SealNonce,
            place: proptest::sample::Index,
            flip in 1_u8..,
        ) {
            let plan = PartPlan::new(size, None, 8 << 20).unwrap();
            let (began_at, ends_at) = times;
            let capsule = Capsule { key, upload_id, plan, content_type, began_at, ends_at, ..capsule() };
            let keys = keys(SECRET, &[OTHER]);
            let token = keys.seal(&capsule, nonce).unwrap();
            prop_assert_eq!(keys.open(&token), Ok(capsule));
            let mut bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
            let place = place.index(bytes.len());
            bytes[place] ^= flip;
            prop_assert_eq!(keys.open(&URL_SAFE_NO_PAD.encode(bytes)), Err(Broken));
        }
    }
}
