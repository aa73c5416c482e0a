//! How an object is cut into parts, and what each part is.
//!
//! The limits are S3's, <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>; R2 wants all parts but the
//! last of one size, so that is the only plan there is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};

const MIB: u64 = 1024 * 1024;

/// The least that a part may have, the last one excepted: 5 MiB.
pub const MIN_PART_BYTES: u64 = 5 * MIB;
/// The most: 5 GiB.
pub const MAX_PART_BYTES: u64 = 5 * 1024 * MIB;
/// Parts of one object.
pub const MAX_PARTS: u32 = 10_000;
/// The largest object: 5 TiB.
pub const MAX_OBJECT_BYTES: u64 = 5 * 1024 * 1024 * MIB;

/// Equal parts, the last one as long as what is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartPlan {
    size: u64,
    part_bytes: u64,
    count: u32,
}

/// Why there is no such plan. The texts are safe to show to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Nothing, or more than an object can have.
    #[error("contentLength must be 1 to {MAX_OBJECT_BYTES} for an upload in parts; an empty object is one PUT")]
    Size,
    /// No size that S3 takes.
    #[error("partSize must be {MIN_PART_BYTES} to {MAX_PART_BYTES}")]
    PartSize,
    /// Too small for the object.
    #[error("partSize makes more than {MAX_PARTS} parts; it must be {least} at least")]
    TooManyParts {
        /// What makes as many as there may be.
        least: u64,
    },
}

impl PartPlan {
    /// The plan for `size` bytes in parts of `wanted` bytes; without a wish of `usual` bytes, or as many more, in whole
    /// MiB, as make 10,000 parts enough.
    ///
    /// # Errors
    ///
    /// [`PlanError`] when S3 would not take the object, or not in such parts.
    pub fn new(size: u64, wanted: Option<u64>, usual: u64) -> Result<Self, PlanError> {
        if !(1..=MAX_OBJECT_BYTES).contains(&size) {
            return Err(PlanError::Size);
        }
        let least = size.div_ceil(MAX_PARTS.into()).max(MIN_PART_BYTES);
        let part_bytes = wanted.unwrap_or_else(|| usual.max(least.next_multiple_of(MIB)));
        if !(MIN_PART_BYTES..=MAX_PART_BYTES).contains(&part_bytes) {
            return Err(PlanError::PartSize);
        }
        let count = u32::try_from(size.div_ceil(part_bytes)).ok().filter(|count| *count <= MAX_PARTS);
        Ok(Self { size, part_bytes, count: count.ok_or(PlanError::TooManyParts { least })? })
    }

    /// No plan: whoever uploads cuts the object as it likes, and what it sent is looked at when it ends. `size` is its
    /// length, or 0 when that is not known either.
    #[must_use]
    pub const fn open(size: u64) -> Self {
        Self { size, part_bytes: 0, count: 0 }
    }

    /// Whether nobody knows the parts before they are there.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.part_bytes == 0
    }

    /// Bytes of the object.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Bytes of every part but the last.
    #[must_use]
    pub const fn part_bytes(&self) -> u64 {
        self.part_bytes
    }

    /// How many parts there are; the first is number 1.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Bytes of this part, or nothing when there is no such part.
    #[must_use]
    pub fn length_of(&self, number: u32) -> Option<u64> {
        if !(1..=self.count).contains(&number) {
            return None;
        }
        let before = u64::from(number.saturating_sub(1)).saturating_mul(self.part_bytes);
        Some(self.size.saturating_sub(before).min(self.part_bytes))
    }
}

/// The entity tag of the object that S3 makes of parts with these tags, none of them quoted: the MD5 of their MD5s, and
/// their number. Nothing when a tag is no MD5.
#[must_use]
pub fn etag_of_parts<'e>(etags: impl Iterator<Item = &'e str>) -> Option<String> {
    let (mut hash, mut count) = (Md5::new(), 0_u32);
    for etag in etags {
        let digits: Vec<u8> = etag.chars().map(|c| c.to_digit(16)?.try_into().ok()).collect::<Option<_>>()?;
        // Its bits do not overlap: any way to join them is the same.
        let bytes: Vec<u8> =
            digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
        if digits.len() != 32 {
            return None;
        }
        hash.update(bytes);
        count = count.checked_add(1)?;
    }
    let hash = u128::from_be_bytes(hash.finalize().into());
    Some(format!("{hash:032x}-{count}"))
}

/// What the bucket checks each part by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartChecksum {
    /// SHA-256.
    Sha256,
    /// CRC-32 (ISO 3309).
    Crc32,
    /// CRC-32C (Castagnoli).
    Crc32c,
    /// CRC-64/NVME.
    Crc64Nvme,
}

/// All of them.
const CHECKSUMS: [PartChecksum; 4] =
    [PartChecksum::Sha256, PartChecksum::Crc32, PartChecksum::Crc32c, PartChecksum::Crc64Nvme];

impl PartChecksum {
    /// The one of this name in our API.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        CHECKSUMS.into_iter().find(|checksum| checksum.name() == name)
    }

    /// Its name in our API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Crc32 => "crc32",
            Self::Crc32c => "crc32c",
            Self::Crc64Nvme => "crc64nvme",
        }
    }

    /// Its name in `x-amz-checksum-algorithm`.
    #[must_use]
    pub const fn algorithm(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA256",
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
        }
    }

    /// The header that a part carries it in.
    #[must_use]
    pub const fn header(self) -> &'static str {
        match self {
            Self::Sha256 => "x-amz-checksum-sha256",
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
        }
    }

    const fn bytes(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
        }
    }

    /// Whether `text` is the base64 of such a checksum.
    #[must_use]
    pub fn is_value(self, text: &str) -> bool {
        STANDARD.decode(text).is_ok_and(|bytes| bytes.len() == self.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const USUAL: u64 = 8 * MIB;

    #[test]
    fn parts_are_as_small_as_usual_and_as_large_as_need_be() {
        for (size, wanted, part, count) in [
            (1, None, USUAL, 1),
            (USUAL, None, USUAL, 1),
            (USUAL + 1, None, USUAL, 2),
            (100 * MIB, Some(MIN_PART_BYTES), MIN_PART_BYTES, 20),
            (u64::from(MAX_PARTS) * USUAL, None, USUAL, MAX_PARTS),
            (u64::from(MAX_PARTS) * USUAL + 1, None, 9 * MIB, 8889),
            (MAX_OBJECT_BYTES, None, 525 * MIB, 9987),
            (MAX_OBJECT_BYTES, Some(MAX_PART_BYTES), MAX_PART_BYTES, 1024),
        ] {
            let plan = PartPlan::new(size, wanted, USUAL).unwrap();
            assert_eq!((plan.part_bytes(), plan.count()), (part, count), "{size} {wanted:?}");
        }
    }

    /// Those of S3's table of limits, in bytes.
    #[test]
    fn the_limits_are_those_of_s3() {
        assert_eq!((MIN_PART_BYTES, MAX_PART_BYTES), (5_242_880, 5_368_709_120));
        assert_eq!((MAX_OBJECT_BYTES, MAX_PARTS), (5_497_558_138_880, 10_000));
    }

    #[test]
    fn where_nobody_knows_the_parts_there_are_none_to_tell_of() {
        for size in [0, 7] {
            let open = PartPlan::open(size);
            assert!(open.is_open());
            assert_eq!((open.size(), open.count(), open.length_of(1)), (size, 0, None));
        }
        assert!(!PartPlan::new(1, None, USUAL).unwrap().is_open());
    }

    #[test]
    fn what_s3_does_not_take_is_no_plan() {
        for size in [0, MAX_OBJECT_BYTES + 1, u64::MAX] {
            assert_eq!(PartPlan::new(size, None, USUAL), Err(PlanError::Size), "{size}");
        }
        for part in [0, 1, MIN_PART_BYTES - 1, MAX_PART_BYTES + 1, u64::MAX] {
            assert_eq!(PartPlan::new(1, Some(part), USUAL), Err(PlanError::PartSize), "{part}");
        }
        let size = u64::from(MAX_PARTS) * MIN_PART_BYTES + 1;
        let least = MIN_PART_BYTES + 1;
        assert_eq!(PartPlan::new(size, Some(MIN_PART_BYTES), USUAL), Err(PlanError::TooManyParts { least }));
        assert_eq!(PartPlan::new(size, Some(least), USUAL).unwrap().count(), MAX_PARTS);
    }

    proptest! {
        #[test]
        fn a_plan_sums_to_the_length(size in 1..=MAX_OBJECT_BYTES, wanted in proptest::option::of(MIN_PART_BYTES..=MAX_PART_BYTES)) {
            let Ok(plan) = PartPlan::new(size, wanted, USUAL) else {
                prop_assert!(wanted.is_some(), "without a wish there is a plan for every length");
                return Ok(());
            };
            prop_assert!((1..=MAX_PARTS).contains(&plan.count()));
            let lengths: Vec<_> = (1..=plan.count()).map(|number| plan.length_of(number).unwrap()).collect();
            prop_assert_eq!(lengths.iter().sum::<u64>(), size);
            let (last, others) = lengths.split_last().unwrap();
            prop_assert!(others.iter().all(|length| *length == plan.part_bytes()));
            prop_assert!((1..=plan.part_bytes()).contains(last));
            prop_assert_eq!((plan.length_of(0), plan.length_of(plan.count() + 1)), (None, None));
        }
    }

    /// Of 5 MiB and of 1 byte of `a`; the whole is what Python's hashlib makes of it.
    #[test]
    fn the_tag_of_an_object_is_made_of_those_of_its_parts() {
        let parts = ["79b281060d337b9b2b84ccf390adcf74", "0cc175b9c0f1b6a831c399e269772661"];
        assert_eq!(etag_of_parts(parts.into_iter()).unwrap(), "c8ce36bbc9c0db61b79d3b4478950f0f-2");
        for odd in ["", "x", &parts[0][1..], "79b281060d337b9b2b84ccf390adcf7g"] {
            assert_eq!(etag_of_parts([parts[0], odd].into_iter()), None, "{odd}");
        }
    }

    #[test]
    fn checksums_are_told_by_name_and_length() {
        for (name, value, other) in [
            ("sha256", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "AAAAAA=="),
            ("crc32", "AAAAAA==", "AAAAAAAAAAA="),
            ("crc32c", "AAAAAA==", ""),
            ("crc64nvme", "AAAAAAAAAAA=", "not base64"),
        ] {
            let checksum = PartChecksum::named(name).unwrap();
            assert_eq!(checksum.name(), name);
            assert_eq!(checksum.header().strip_prefix("x-amz-checksum-"), Some(name));
            assert_eq!(checksum.algorithm().to_ascii_lowercase(), name);
            assert!(checksum.is_value(value) && !checksum.is_value(other), "{name}");
        }
        assert_eq!(PartChecksum::named("md5"), None);
    }
}
