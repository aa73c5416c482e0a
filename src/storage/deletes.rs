//! Many objects deleted by one call, and what became of each of them.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>
//!
//! The keys travel as text in XML, both ways. Only names that no reader of XML changes are sent, and a key counts as
//! deleted only when the answer says so of exactly that key.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Bytes;
use jiff::Timestamp;
use md5::{Digest as _, Md5};
use quick_xml::escape::escape;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode};
use serde::Deserialize;

use super::answer::{Answer, loggable_code};
use super::client::{BucketClient, BucketError};
use super::counts::Operation;
use crate::domain::policy::{Action, Grant};

/// S3 takes no more keys at once.
pub(crate) const MAX_DELETES: usize = 1000;

/// Some servers demand it, whatever other checksum there is; all take it.
const CONTENT_MD5: &str = "content-md5";

/// What an answer may have for each key besides the key: tags, a version, a code and a sentence.
const ENTRY_BYTES: usize = 1024;
/// The longest escape that a byte of a key may come back as: `&quot;`.
const ESCAPED_BYTES: usize = 6;

/// The answer by the name of its root: an `<Error>`, or a page of somebody else, deleted nothing (H18).
#[derive(Debug, Deserialize)]
enum Document {
    DeleteResult(Outcomes),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Outcomes {
    #[serde(rename = "Deleted")]
    deleted: Vec<Deleted>,
    #[serde(rename = "Error")]
    errors: Vec<Refused>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Deleted {
    key: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Refused {
    key: String,
    code: String,
}

/// What an answer says of the keys that were asked about: nothing of one that is gone, else why it is not, which it also
/// is of a key that is not mentioned. Nothing at all when the answer cannot be read.
#[must_use]
pub fn deletes_of<'n>(xml: &str, names: impl IntoIterator<Item = &'n str>) -> Option<HashMap<&'n str, Option<String>>> {
    let Document::DeleteResult(outcomes) = quick_xml::de::from_str(xml).ok()?;
    let mut fates: HashMap<_, _> = names.into_iter().map(|name| (name, Some("NotMentioned".to_owned()))).collect();
    let (gone, refused): (Vec<_>, Vec<_>) = outcomes.errors.into_iter().partition(|error| error.code == "NoSuchKey");
    let deleted = outcomes.deleted.iter().map(|entry| (&entry.key, None));
    let gone = gone.iter().map(|entry| (&entry.key, None));
    // Last, so that of two words about one key the worse one counts.
    let refused = refused.iter().map(|entry| (&entry.key, Some(loggable_code(&entry.code))));
    for (key, fate) in deleted.chain(gone).chain(refused) {
        if let Some(known) = fates.get_mut(key.as_str()) {
            *known = fate;
        }
    }
    Some(fates)
}

/// Whether every reader of XML gives this name back as it is: some trim text, and two characters cannot stand in it
/// (XML 1.0 section 2.2). `s1/a ` that became `s1/a` would be another object. Control characters are in no key.
fn travels_in_xml(name: &str) -> bool {
    name == name.trim() && !name.contains(['\u{fffe}', '\u{ffff}', '\u{feff}'])
}

impl BucketClient {
    /// Whether this object may be one of [`BucketClient::delete_many`].
    pub(crate) fn can_delete_with_others(&self, grant: &Grant) -> bool {
        !self.all_versions
            && !self.lacks_delete_many.load(Ordering::Relaxed)
            && travels_in_xml(&self.object_name(grant.key().as_str()))
    }

    /// Deletes up to [`MAX_DELETES`] objects by one call, and says of each, in order, what became of it. Nothing when
    /// the bucket has no such call, which is then remembered.
    ///
    /// # Errors
    ///
    /// [`BucketError`] when nothing is known of any of them.
    pub(crate) async fn delete_many(
        &self,
        grants: &[&Grant],
        now: Timestamp,
    ) -> Result<Option<Vec<Result<(), BucketError>>>, BucketError> {
        grants.iter().try_for_each(|grant| self.takes(grant, Action::Delete))?;
        let names: Vec<_> = grants.iter().map(|grant| self.object_name(grant.key().as_str())).collect();
        let distinct: HashSet<&str> = names.iter().map(String::as_str).collect();
        let most = names.iter().map(|name| ESCAPED_BYTES.saturating_mul(name.len()).saturating_add(ENTRY_BYTES));
        let most = most.fold(ENTRY_BYTES, usize::saturating_add);
        let body = document(&distinct);
        let md5 = STANDARD.encode(Md5::digest(&body));
        let sign = |now| {
            let bound = [(CONTENT_MD5, md5.as_str())];
            let url = self.bucket_url(Action::Delete, rusty_s3::Method::Post, &[("delete", "")], &bound, now)?;
            let call = self.http.request(Method::POST, url).header(CONTENT_TYPE, "application/xml");
            Ok(call.header(CONTENT_MD5, &md5).body(body.clone()))
        };
        let answer = self.call(self.span(now).of(Operation::DeleteMany), most, sign).await?;
        if is_unknown_call(&answer) {
            self.lacks_delete_many.store(true, Ordering::Relaxed);
            return Ok(None);
        }
        if answer.status != StatusCode::OK || answer.cut {
            return Err(answer.into_error(""));
        }
        let fates = std::str::from_utf8(&answer.body).ok().and_then(|xml| deletes_of(xml, distinct));
        let Some(fates) = fates else { return Err(answer.into_error("UnreadableDeletes")) };
        let of = |name: &String| match fates.get(name.as_str()) {
            Some(None) => Ok(()),
            Some(Some(code)) => Err(BucketError::Refused { status: answer.status.as_u16(), code: code.clone() }),
            None => Err(BucketError::WrongGrant),
        };
        Ok(Some(names.iter().map(of).collect()))
    }
}

/// What is asked for: each of these, and a word about each.
fn document(names: &HashSet<&str>) -> Bytes {
    let mut xml = String::from("<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for name in names {
        xml.push_str("<Object><Key>");
        xml.push_str(&escape(*name));
        xml.push_str("</Key></Object>");
    }
    xml.push_str("<Quiet>false</Quiet></Delete>");
    xml.into()
}

/// A server that says of the call itself that it does not have it.
fn is_unknown_call(answer: &Answer) -> bool {
    let refused = answer.status.is_client_error() || answer.status.is_server_error();
    let named = matches!(answer.code().as_str(), "NotImplemented" | "MethodNotAllowed");
    let by_status = matches!(answer.status, StatusCode::NOT_IMPLEMENTED | StatusCode::METHOD_NOT_ALLOWED);
    refused && (named || by_status) && !answer.is_of_another_server()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gone<'n>(xml: &str, names: &[&'n str]) -> Option<Vec<&'n str>> {
        let fates = deletes_of(xml, names.iter().copied())?;
        Some(names.iter().copied().filter(|name| fates[name].is_none()).collect())
    }

    #[test]
    fn a_key_is_gone_when_the_answer_says_so_of_that_very_key() {
        let xml = r#"<?xml version="1.0" encoding="UTF-8"?>
            <DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
              <Deleted><Key>s1/a &amp; &#60;b&gt;</Key></Deleted>
              <Error><Key>s1/c</Key><Code>AccessDenied</Code><Message>No</Message></Error>
              <Deleted><Key>s1/é😀</Key><DeleteMarker>true</DeleteMarker><DeleteMarkerVersionId>v</DeleteMarkerVersionId></Deleted>
              <Error><Key>s1/d</Key><Code>NoSuchKey</Code><Message/></Error>
              <Deleted><Key>s1/c</Key></Deleted>
              <Error><Code>InternalError</Code></Error>
              <Deleted><Key>s2/never-asked-for</Key></Deleted>
            </DeleteResult>"#;
        let names = ["s1/a & <b>", "s1/c", "s1/é😀", "s1/d", "s1/forgotten", "s1/a"];
        assert_eq!(gone(xml, &names), Some(vec!["s1/a & <b>", "s1/é😀", "s1/d"]));
        let fates = deletes_of(xml, names).unwrap();
        assert_eq!(fates["s1/c"].as_deref(), Some("AccessDenied"), "the worse of two words");
        assert_eq!(fates["s1/forgotten"].as_deref(), Some("NotMentioned"));
        assert_eq!(fates.len(), names.len(), "nobody asked about others");
    }

    /// H18: what is no list of deletes deleted nothing. An entity that a document makes itself is not read.
    #[test]
    fn what_is_no_list_of_deletes_says_nothing() {
        let bomb = "<!DOCTYPE a [<!ENTITY b \"s1/a\"><!ENTITY c \"&b;&b;\">]>\
                    <DeleteResult><Deleted><Key>&c;</Key></Deleted></DeleteResult>";
        let deep = format!("<DeleteResult>{}", "<Deleted>".repeat(100_000));
        for odd in [
            "",
            "<html></html>",
            "<Error><Code>AccessDenied</Code></Error>",
            "<DeleteResult><Deleted><Key>s1/a</Key>",
            "<DeleteResult><Deleted></Deleted></DeleteResult>",
            bomb,
            &deep,
        ] {
            assert_eq!(gone(odd, &["s1/a"]), None, "{}", odd.chars().take(100).collect::<String>());
        }
        assert_eq!(gone("<DeleteResult/>", &["s1/a"]), Some(vec![]));
    }

    #[test]
    fn a_name_that_a_reader_may_change_is_not_sent() {
        for name in ["s1/a", "s1/a b", "s1/é", "s1/&<>\"'+", "s1/\u{1f600}"] {
            assert!(travels_in_xml(name), "{name:?}");
        }
        for name in ["s1/a ", "s1/a\u{a0}", "s1/a\u{3000}", "s1/\u{fffe}", "s1/\u{ffff}x", "s1/\u{feff}"] {
            assert!(!travels_in_xml(name), "{name:?}");
        }
    }
}
