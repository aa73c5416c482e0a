//! A signed URL, held against what it must be: signed again, with another library, for the moment that it names.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rusty_s3::{Credentials, S3Action as _, UrlStyle};
use tokio::time::Instant;
use url::Url;

use super::world::{AccessKey, World};
use crate::process::unix_now;
use crate::wire::Answer;

/// The clock is read once for a request, between these moments; a second is the least that is told.
const CLOCK_SECS: i64 = 1;

pub(super) fn judge(
    world: &World,
    answer: &Answer,
    key: &str,
    method: &str,
    life: Option<u32>,
    sent: Instant,
    at: i64,
) -> Result<(), String> {
    let (json, wrong) = (answer.json(), |what: &str| Err(what.to_owned()));
    if answer.status != 200 || json["key"] != key || json["method"] != method {
        return wrong("status, key or method");
    }
    let url = Url::parse(json["url"].as_str().unwrap_or_default()).map_err(|error| error.to_string())?;
    let query: HashMap<_, _> = url.query_pairs().into_owned().collect();
    let named = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
    if url.origin() != Url::parse(&world.bucket.url()).unwrap().origin() || url.path() != format!("/files/{key}") {
        return wrong("the place of the object");
    }

    let date = format!("{} +0000", named("X-Amz-Date"));
    let date = Timestamp::strptime("%Y%m%dT%H%M%SZ %z", date).map_err(|error| error.to_string())?;
    if !(at - CLOCK_SECS..=unix_now() + CLOCK_SECS).contains(&date.as_second()) {
        return wrong("the date");
    }
    let expires: u32 = named("X-Amz-Expires").parse().map_err(|_| "no life")?;
    let lives = life.map_or_else(|| world.life.lock().unwrap().allowed(sent), |life| vec![life]);
    let ends = (date + Duration::from_secs(expires.into())).to_zoned(TimeZone::UTC);
    let ends = ends.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    if !lives.contains(&expires) || json["expiresIn"] != expires || json["expiresAt"] != ends {
        return wrong("the life");
    }
    if life.is_none() && lives == [expires] && expires != 900 {
        world.saw("other life");
    }

    let bound = answer.json()["boundHeaders"].as_array().map_or(0, Vec::len);
    let allowed = world.access_key.lock().unwrap().allowed(sent);
    let length = key.rsplit_once("file-").and_then(|(_, rest)| rest.strip_suffix(".png"));
    let signature = named("X-Amz-Signature");
    let by = allowed.iter().find(|access| {
        named("X-Amz-Credential").starts_with(&format!("{}/", access.id))
            && again(world, access, key, method, length.unwrap_or_default(), &date, expires) == signature
    });
    if by.is_none() || bound != (if method == "PUT" { 3 } else { 1 }) {
        return wrong("the signature");
    }
    if allowed.len() == 1 && world.access_key.lock().unwrap().has_changed() {
        world.saw("new access key");
    }
    world.signatures.lock().unwrap().insert(signature.to_owned());
    Ok(())
}

fn again(
    world: &World,
    access: &AccessKey,
    key: &str,
    method: &str,
    length: &str,
    date: &Timestamp,
    expires: u32,
) -> String {
    let endpoint = Url::parse(&world.bucket.url()).unwrap();
    let bucket = rusty_s3::Bucket::new(endpoint, UrlStyle::Path, "files", "us-east-1").unwrap();
    let credentials = Credentials::new(access.id.as_str(), access.secret.as_str());
    let life = Duration::from_secs(expires.into());
    let url = match method {
        "GET" => bucket.get_object(Some(&credentials), key).sign_with_time(life, date),
        "DELETE" => bucket.delete_object(Some(&credentials), key).sign_with_time(life, date),
        _ => {
            let mut put = bucket.put_object(Some(&credentials), key);
            put.headers_mut().insert("content-length", length.to_owned());
            put.headers_mut().insert("content-type", "image/png");
            put.sign_with_time(life, date)
        }
    };
    let signature = url.query_pairs().find(|(name, _)| name == "X-Amz-Signature");
    signature.map(|(_, value)| value.into_owned()).unwrap_or_default()
}
