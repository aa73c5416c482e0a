//! A store made from other claims, for providers that cannot add one of their own.

use aws_lc_rs::digest::{SHA256, digest};

use crate::domain::sigv4::push_hex;
use crate::domain::store::{StoreId, StoreIdRule};

/// How a claim's value stands in the store's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemplateEncoding {
    /// As it is: it must be plain.
    Plain,
    /// As the 64 lower-case hexadecimal digits of its SHA-256, for values such as `auth0|5f7c`.
    Sha256,
}

/// Such as `user-{sub}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreTemplate {
    /// The text in front of each claim, and the claim's name or path.
    parts: Vec<(String, String)>,
    end: String,
    encoding: TemplateEncoding,
}

/// Why a text is no template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// Everybody would have the same store.
    #[error("names no claim; write one in braces, such as `user-{{sub}}`")]
    NoClaim,
    /// A brace without its other half, or an empty name.
    #[error("has a brace without its other half, or nothing between them")]
    Braces,
    /// A character that no store name has.
    #[error("has a character outside A-Z a-z 0-9 . _ - beside its claims")]
    Character,
    /// Two people could have one store: `{a}-{b}` of `x-y`, `z` and of `x`, `y-z`.
    #[error("names more than one claim, so that two callers could share a store; use one, or the encoding `sha256`")]
    Ambiguous,
}

impl StoreTemplate {
    /// Reads a template.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] when it could not give each caller a store of its own.
    pub fn parse(text: &str, encoding: TemplateEncoding) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (claim, after) = after.split_once('}').ok_or(TemplateError::Braces)?;
            if claim.is_empty() || claim.contains('{') || before.contains('}') {
                return Err(TemplateError::Braces);
            }
            parts.push((before.to_owned(), claim.to_owned()));
            rest = after;
        }
        if rest.contains('}') {
            return Err(TemplateError::Braces);
        }
        let literals = parts.iter().map(|(before, _)| before.as_str()).chain([rest]);
        if literals.into_iter().any(|literal| !literal.chars().all(is_plain)) {
            return Err(TemplateError::Character);
        }
        match parts.len() {
            0 => Err(TemplateError::NoClaim),
            1 => Ok(()),
            _ if encoding == TemplateEncoding::Sha256 => Ok(()),
            _ => Err(TemplateError::Ambiguous),
        }?;
        Ok(Self { parts, end: rest.to_owned(), encoding })
    }

    /// The names or paths of the claims in it.
    pub fn claims(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().map(|(_, claim)| claim.as_str())
    }

    /// The store of a caller whose claims are these; none when one is missing or the result is not plain.
    ///
    /// Never rewritten, whatever `auth.store_ids` says: two callers must not meet in one folder.
    pub(super) fn store<'a>(&self, claim: impl Fn(&str) -> Option<&'a str>) -> Option<StoreId> {
        let mut name = String::new();
        for (before, path) in &self.parts {
            // An empty value would give everybody without one the same store.
            let value = claim(path).filter(|value| !value.is_empty())?;
            name.push_str(before);
            match self.encoding {
                TemplateEncoding::Plain => name.push_str(value),
                TemplateEncoding::Sha256 => push_hex(&mut name, digest(&SHA256, value.as_bytes()).as_ref()),
            }
        }
        name.push_str(&self.end);
        StoreId::parse(&name, StoreIdRule::Strict).ok()
    }
}

fn is_plain(c: char) -> bool {
    StoreId::parse(c.encode_utf8(&mut [0; 4]), StoreIdRule::Strict).is_ok() || c == '.'
}

#[cfg(test)]
mod tests {
    use super::*;
    use TemplateEncoding::{Plain, Sha256};

    fn store(template: &str, encoding: TemplateEncoding, claims: &[(&str, &'static str)]) -> Option<String> {
        let template = StoreTemplate::parse(template, encoding).unwrap();
        let find = |name: &str| claims.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        template.store(find).map(|store| store.as_str().to_owned())
    }

    #[test]
    fn a_template_names_its_claims() {
        let template = StoreTemplate::parse("u-{org.id}-{sub}", Sha256).unwrap();
        assert_eq!(template.claims().collect::<Vec<_>>(), ["org.id", "sub"]);
    }

    #[test]
    fn a_template_gives_each_value_its_own_store() {
        assert_eq!(store("user-{sub}", Plain, &[("sub", "42")]), Some("user-42".into()));
        assert_eq!(store("{org}.files", Plain, &[("org", "acme")]), Some("acme.files".into()));
        let hashed = store("u-{sub}", Sha256, &[("sub", "auth0|5f7c8ec7")]).unwrap();
        assert_eq!(hashed, "u-621b3ebd936e3d561f86d5a77e7b36d500435f860926e4344bb512595a56f5df");
        assert_ne!(
            store("{a}{b}", Sha256, &[("a", "x"), ("b", "yz")]),
            store("{a}{b}", Sha256, &[("a", "xy"), ("b", "z")])
        );
    }

    #[test]
    fn a_result_that_is_not_plain_is_no_store() {
        for sub in ["auth0|5f7c", "a/b", "", "é", "a b"] {
            assert_eq!(store("user-{sub}", Plain, &[("sub", sub)]), None, "{sub}");
        }
        for sub in [".", ".."] {
            assert_eq!(store("{sub}", Plain, &[("sub", sub)]), None, "{sub}");
        }
        assert_eq!(store("user-{sub}", Plain, &[]), None);
        assert_eq!(store("user-{sub}", Sha256, &[("sub", "")]), None);
    }

    #[test]
    fn templates_that_could_mix_callers_up_are_refused() {
        let parse = |text| StoreTemplate::parse(text, Plain).map(|_| ());
        assert_eq!(parse("everybody"), Err(TemplateError::NoClaim));
        assert_eq!(parse(""), Err(TemplateError::NoClaim));
        assert_eq!(parse("a/{sub}"), Err(TemplateError::Character));
        assert_eq!(parse("{org}-{sub}"), Err(TemplateError::Ambiguous));
        for text in ["{", "}", "{}", "{sub", "sub}", "{{sub}}", "}{sub}"] {
            assert_eq!(parse(text), Err(TemplateError::Braces), "{text}");
        }
        assert!(StoreTemplate::parse("{org}-{sub}", Sha256).is_ok());
    }
}
