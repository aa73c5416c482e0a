//! Addresses that anybody can read, where downloads are not signed at all.

use super::policy::Grant;
use super::sigv4::{encode_path, encoded_path_len};

/// What precedes every key in a public address: `https://files.example.com`, without a slash at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicBase(String);

impl PublicBase {
    /// Slashes at the end of `base` are dropped; it must need no encoding.
    #[must_use]
    pub fn new(base: &str) -> Self {
        Self(base.trim_end_matches('/').to_owned())
    }

    /// The address of what was granted, encoded as in a signed URL. It is the same for everybody, and never ends.
    #[must_use]
    pub fn url(&self, grant: &Grant) -> String {
        let key = grant.key().as_str();
        let key_len = encoded_path_len(key);
        let mut url = String::with_capacity(self.0.len().saturating_add(key_len).saturating_add(1));
        url.push_str(&self.0);
        url.push('/');
        encode_path(&mut url, key, key_len);
        url
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::policy::Action;
    use crate::domain::sigv4::test_grant;

    #[test]
    fn the_key_is_encoded_behind_the_base() {
        let grant = test_grant(Action::Get, "s1/a b+é?#%/f").unwrap();
        for base in ["https://files.example.com", "https://files.example.com/", "https://files.example.com///"] {
            assert_eq!(PublicBase::new(base).url(&grant), "https://files.example.com/s1/a%20b%2B%C3%A9%3F%23%25/f");
        }
    }

    proptest! {
        /// K01, K16: who reads the address finds the granted key and nothing else.
        #[test]
        fn the_path_of_a_public_address_is_the_key(key in "s1/\\PC{1,64}|(\\.\\./|/|s1|%2e|[a-z./?#&;+ ]{1,4}){0,12}") {
            let Some(grant) = test_grant(Action::Get, &key) else { return Ok(()) };
            let text = PublicBase::new("https://files.example.com/p").url(&grant);
            let url = url::Url::parse(&text).unwrap();
            prop_assert_eq!(url.as_str(), &text);
            prop_assert_eq!((url.host_str(), url.query(), url.fragment()), (Some("files.example.com"), None, None));
            let path = percent_encoding::percent_decode_str(url.path()).decode_utf8().unwrap().into_owned();
            prop_assert_eq!(path.strip_prefix("/p/"), Some(grant.key().as_str()));
        }
    }
}
