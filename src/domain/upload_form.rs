//! What a form is bound to, by the rules that a PUT is held to.
//!
//! A form can say what a PUT cannot, a range of lengths, so that a limit holds also for who does not know the length.
//! It has no conditions on the object that is there, and no provider is known to check a hash in it.

use std::ops::RangeInclusive;

use super::upload::{ChecksumRule, MAX_PUT_BYTES, UploadClaim, UploadHeaders, UploadRefused, UploadRules};

/// Length and fields of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormBounds {
    /// How many bytes the file may have.
    pub bytes: RangeInclusive<u64>,
    /// Fields by their names in lower case.
    pub fields: UploadHeaders,
}

/// Why there is no form. The texts are safe to show to the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormRefused {
    /// A PUT would not be signed either.
    #[error(transparent)]
    Upload(#[from] UploadRefused),
    /// What is demanded cannot be kept to.
    #[error("no form can be had, because {0}: let Uppy upload in parts, with shouldUseMultipart: true")]
    Unavailable(&'static str),
}

impl FormRefused {
    /// The storage has no such thing.
    pub const PROVIDER: Self = Self::Unavailable("this storage takes none");
    /// Nothing would be charged to the quota.
    pub const QUOTA: Self =
        Self::Unavailable("the store has a quota, and the length of the file (metadata.contentLength) is not said");
}

impl UploadRules {
    /// The bounds of a form for an upload.
    ///
    /// # Errors
    ///
    /// [`FormRefused`] names the first rule that the claim breaks, or that a form does not keep.
    pub fn form_bounds(&self, claim: &UploadClaim<'_>) -> Result<FormBounds, FormRefused> {
        if self.write_once {
            return Err(FormRefused::Unavailable("it would not keep an object from being replaced"));
        }
        if self.checksum == ChecksumRule::Require || claim.checksum_sha256.is_some() {
            return Err(FormRefused::Unavailable("it would not bind the bytes by their checksum"));
        }
        let limit = [self.max_bytes, claim.token_max_bytes].into_iter().flatten().fold(MAX_PUT_BYTES, u64::min);
        let bytes = match claim.content_length {
            Some(length) if length > limit => return Err(UploadRefused::TooLarge { limit }.into()),
            Some(length) => length..=length,
            None => 0..=limit,
        };
        let mut fields = self.fixed_headers.clone();
        fields.extend(self.content_type(claim.content_type)?.map(|known| ("content-type", known.to_owned())));
        Ok(FormBounds { bytes, fields: UploadHeaders::new(fields) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> UploadRules {
        UploadRules {
            max_bytes: None,
            content_types: Vec::new(),
            checksum: ChecksumRule::Auto,
            write_once: false,
            fixed_headers: Vec::new(),
        }
    }

    fn bytes(rules: &UploadRules, length: Option<u64>, own: Option<u64>) -> Result<RangeInclusive<u64>, FormRefused> {
        let claim = UploadClaim { content_length: length, token_max_bytes: own, ..UploadClaim::default() };
        rules.form_bounds(&claim).map(|bounds| bounds.bytes)
    }

    /// K21: the smallest limit counts, and a length that is said is the only one.
    #[test]
    fn a_form_takes_what_a_put_would() {
        let limited = UploadRules { max_bytes: Some(1000), ..rules() };
        assert_eq!(bytes(&rules(), None, None), Ok(0..=MAX_PUT_BYTES));
        assert_eq!(bytes(&limited, None, None), Ok(0..=1000));
        assert_eq!(bytes(&limited, None, Some(10)), Ok(0..=10));
        assert_eq!(bytes(&limited, None, Some(2000)), Ok(0..=1000));
        assert_eq!(bytes(&limited, Some(1000), None), Ok(1000..=1000));
        assert_eq!(bytes(&limited, Some(0), None), Ok(0..=0));
        assert_eq!(bytes(&limited, Some(1001), None), Err(UploadRefused::TooLarge { limit: 1000 }.into()));
        assert_eq!(bytes(&rules(), Some(MAX_PUT_BYTES), None), Ok(MAX_PUT_BYTES..=MAX_PUT_BYTES));
    }

    /// K19: a type on the list is bound, and where there is no list one that is given.
    #[test]
    fn type_and_fixed_headers_are_fields() {
        let fields = |rules: &UploadRules, content_type| {
            let claim = UploadClaim { content_type, ..UploadClaim::default() };
            rules
                .form_bounds(&claim)
                .map(|bounds| bounds.fields.borrowed().into_iter().map(|(n, v)| (n, v.to_owned())).collect::<Vec<_>>())
        };
        let typed = |name: &str| Ok(vec![("content-type", name.to_owned())]);
        let images = UploadRules { content_types: vec!["image/*".into()], ..rules() };
        assert_eq!(fields(&rules(), None), Ok(vec![]));
        assert_eq!(fields(&rules(), Some("")), Ok(vec![]));
        assert_eq!(fields(&rules(), Some("image/png")), typed("image/png"));
        assert_eq!(fields(&images, Some("image/png")), typed("image/png"));
        for other in [None, Some(""), Some("text/html")] {
            assert_eq!(fields(&images, other), Err(UploadRefused::ContentTypeNotAllowed.into()));
        }
        assert_eq!(fields(&images, Some("image/png\r\nx: y")), Err(UploadRefused::ContentType.into()));
        let fixed = UploadRules { fixed_headers: vec![("cache-control", "private".into())], ..rules() };
        assert_eq!(fields(&fixed, None), Ok(vec![("cache-control", "private".to_owned())]));
    }

    /// Never signed weaker than was asked.
    #[test]
    fn what_a_form_does_not_keep_is_refused_by_name() {
        let refused = |rules: &UploadRules, claim: &UploadClaim<'_>| rules.form_bounds(claim).unwrap_err().to_string();
        let none = UploadClaim::default();
        assert!(refused(&UploadRules { write_once: true, ..rules() }, &none).contains("replaced"));
        assert!(refused(&UploadRules { checksum: ChecksumRule::Require, ..rules() }, &none).contains("checksum"));
        let given = UploadClaim { checksum_sha256: Some("x"), ..none };
        assert!(refused(&rules(), &given).contains("shouldUseMultipart"));
    }
}
