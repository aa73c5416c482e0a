//! The one way to a grant. It writes down what was decided before anybody hears of it, so that no handler can forget to.
//!
//! An operation that only signs is decided when its URL is made, and its line is written then, also where the bucket is
//! looked at first. One that the bucket is asked for
//! is written down as allowed before the bucket is called: what is done there is never done unseen, and how it ended is in
//! the request's line of the log.

use std::borrow::Cow;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use hyper::StatusCode;
use jiff::Timestamp;

use super::urls::Signed;
use super::{ApiError, App, Call, Route, files};
use crate::domain::key::{KeyFolder, KeyRules, ObjectKey};
use crate::domain::policy::{Action, Caller, FolderGrant, Grant, decide, decide_folder};
use crate::domain::route::StorageIndex;
use crate::domain::upload::UploadHeaders;
use crate::storage::Backend;
use crate::telemetry::audit::{Bounds, Cut, Named, Record, Verdict};
use crate::telemetry::trace_context::TraceId;

/// What callers ask for, as the audit log calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    /// A URL that reads the bytes.
    Download,
    /// A URL that reads the metadata.
    Head,
    /// A URL that writes.
    Upload,
    /// A URL that deletes.
    DeleteUrl,
    /// The deletion itself.
    Delete,
    /// What the bucket knows of the object.
    Inspect,
    /// Whether the bucket has the object as it was sent.
    Confirm,
    /// An upload in parts is begun.
    MultipartBegin,
    /// URLs that write parts.
    MultipartSign,
    /// What parts the bucket has.
    MultipartList,
    /// The object is made of its parts.
    MultipartComplete,
    /// The parts are thrown away.
    MultipartAbort,
}

/// The operation that is no action on one key: temporary credentials for the uploads of a folder.
const CREDENTIALS: &str = "credentials";

impl Operation {
    const fn action(self) -> Action {
        match self {
            Self::Download => Action::Get,
            Self::Head | Self::Inspect | Self::Confirm => Action::Head,
            Self::Upload => Action::Put,
            Self::DeleteUrl | Self::Delete => Action::Delete,
            Self::MultipartBegin => Action::CreateMultipart,
            Self::MultipartSign => Action::UploadPart,
            Self::MultipartList => Action::ListParts,
            Self::MultipartComplete => Action::CompleteMultipart,
            Self::MultipartAbort => Action::AbortMultipart,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Download => "download",
            Self::Head => "head",
            Self::Upload => "upload",
            Self::DeleteUrl => "delete-url",
            Self::Delete => "delete",
            Self::Inspect => "inspect",
            Self::Confirm => "confirm",
            Self::MultipartBegin => "multipart-begin",
            Self::MultipartSign => "multipart-sign",
            Self::MultipartList => "multipart-list",
            Self::MultipartComplete => "multipart-complete",
            Self::MultipartAbort => "multipart-abort",
        }
    }
}

/// What all lines of one request have in common, and how many there are.
#[derive(Debug)]
pub(super) struct Minutes<'a> {
    request_id: &'a str,
    now: Timestamp,
    trace_id: Option<TraceId>,
    route: OnceLock<&'static Route>,
    lines: AtomicU32,
}

impl<'a> Minutes<'a> {
    pub(super) fn new(request_id: &'a str, now: Timestamp, trace_id: Option<TraceId>) -> Self {
        Self { request_id, now, trace_id, route: OnceLock::new(), lines: AtomicU32::new(0) }
    }

    /// The request is one for this row, which needs a token: it gets a line, however it ends.
    pub(super) fn begin(&self, route: &'static Route) {
        // It is set once a request.
        let _ = self.route.set(route);
    }

    fn lines(&self) -> u32 {
        self.lines.load(Ordering::Relaxed)
    }

    /// Without an operation yet.
    fn record(&'a self, route: &'static Route, caller: Option<&'a Caller>, verdict: Verdict) -> Record<'a> {
        Record {
            time: self.now,
            request_id: self.request_id,
            trace_id: self.trace_id,
            route: (route.method, route.path),
            issuer: caller.and_then(Caller::issuer),
            subject: caller.and_then(Caller::subject),
            token_id: caller.and_then(Caller::token_id),
            operation: None,
            store: None,
            storage: None,
            named: None,
            bounds: None,
            expires_at: None,
            verdict,
        }
    }
}

/// A yes, as far as the audit log tells of it.
pub(super) trait Decided {
    fn tell<'a>(&'a self, record: &mut Record<'a>);
}

/// For a call to the bucket.
impl Decided for (Grant, &Backend) {
    fn tell<'a>(&'a self, record: &mut Record<'a>) {
        tell_object(record, &self.0, self.1);
    }
}

/// The object, and where it lies.
pub(super) fn tell_object<'a>(record: &mut Record<'a>, grant: &'a Grant, storage: &'a Backend) {
    record.store = Some(grant.key().first_segment());
    record.storage = Some(&storage.name);
    record.named = Some(Named::Key(grant.key().as_str()));
}

impl Decided for Signed<'_> {
    fn tell<'a>(&'a self, record: &mut Record<'a>) {
        self.granted().tell(record);
        record.bounds = (self.granted().0.action() == Action::Put).then(|| bounds(self.headers()));
        record.expires_at = self.ends().map(|(_, end)| end);
        let is_redirect = files::STORED.iter().any(|row| row.path == record.route.1);
        let status = if is_redirect { StatusCode::TEMPORARY_REDIRECT } else { StatusCode::OK };
        record.verdict = Verdict::Allow(Some(status.as_u16()));
    }
}

pub(super) fn bounds(headers: &UploadHeaders) -> Bounds<'_> {
    headers.iter().fold(Bounds::default(), |bounds, (name, value)| match name {
        "content-length" => Bounds { content_length: value.parse().ok(), ..bounds },
        "content-type" => Bounds { content_type: Some(Cut(value)), ..bounds },
        "x-amz-checksum-sha256" => Bounds { checksum_sha256: true, ..bounds },
        "if-none-match" => Bounds { write_once: true, ..bounds },
        _ => bounds,
    })
}

impl App {
    /// The way of every key: parsed by one rule, decided by one function, to the one storage that it lies in.
    /// Whether that storage is up makes no difference: a key has no second home.
    fn grant(
        &self,
        caller: &Caller,
        action: Action,
        (key, rules): (&str, &KeyRules),
    ) -> Result<(Grant, &Backend), ApiError> {
        let key = ObjectKey::parse(key, rules)?;
        let grant = decide(caller, action, key)?;
        let storage = self.charged(grant.storage(), grant.key().first_segment())?;
        Ok((grant, storage))
    }

    /// The storage of a grant, whose store is charged. Only now: who may not touch a store cannot use up its rate.
    fn charged(&self, storage: StorageIndex, store: &str) -> Result<&Backend, ApiError> {
        let storage = self.storages.get(storage.get()).ok_or(ApiError::Internal)?;
        self.limits.charge_store(store)?;
        Ok(storage)
    }

    /// Decides about the object of this key, or of this old URL, does `act` with the grant, and writes down how that ended.
    pub(super) fn decided<'a, T: Decided>(
        &'a self,
        of: (&Caller, &Call<'_>),
        operation: Operation,
        (key, url): (Option<&str>, Option<&str>),
        act: impl FnOnce((Grant, &'a Backend)) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        self.judged(of, operation, (self.key_text(key, url), &self.key_rules), || Ok(()), act)
    }

    /// The same for a key that came out of a grant, and back to us in a token: read once more as a caller's, `root/root/s1/f`
    /// would be another one. Nothing is decided unless `first` agrees.
    pub(super) fn decided_again<'a, T: Decided>(
        &'a self,
        of: (&Caller, &Call<'_>),
        operation: Operation,
        key: &str,
        first: impl FnOnce() -> Result<(), ApiError>,
        act: impl FnOnce((Grant, &'a Backend)) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        self.judged(of, operation, (Ok(key.into()), &self.read_key_rules), first, act)
    }

    fn judged<'a, T: Decided>(
        &'a self,
        (caller, call): (&Caller, &Call<'_>),
        operation: Operation,
        (text, rules): (Result<Cow<'_, str>, ApiError>, &KeyRules),
        first: impl FnOnce() -> Result<(), ApiError>,
        act: impl FnOnce((Grant, &'a Backend)) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let mut asked = None;
        let outcome = text.and_then(|text| {
            let granted = first().and_then(|()| self.grant(caller, operation.action(), (&text, rules)));
            asked = Some(text);
            act(granted?)
        });
        self.written((caller, call), operation, (asked.as_deref(), rules), outcome)
    }

    /// The same where the decision hangs on what the bucket says: `act` may ask it, and the line is written after.
    pub(super) async fn decided_after<'a, T: Decided, F: Future<Output = Result<T, ApiError>>>(
        &'a self,
        (caller, call): (&Caller, &Call<'_>),
        operation: Operation,
        key: &str,
        act: impl FnOnce((Grant, &'a Backend)) -> F,
    ) -> Result<T, ApiError> {
        let rules = &self.read_key_rules;
        let outcome = match self.grant(caller, operation.action(), (key, rules)) {
            Ok(granted) => act(granted).await,
            Err(error) => Err(error),
        };
        self.written((caller, call), operation, (Some(key), rules), outcome)
    }

    /// Writes down how it ended, before anybody hears of it.
    fn written<T: Decided>(
        &self,
        (caller, call): (&Caller, &Call<'_>),
        operation: Operation,
        (asked, rules): (Option<&str>, &KeyRules),
        outcome: Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let Some(route) = self.is_written(call.minutes) else { return outcome };
        let parsed;
        let mut record = call.minutes.record(route, Some(caller), Verdict::Allow(None));
        record.operation = Some(operation.name());
        match &outcome {
            Ok(decided) => decided.tell(&mut record),
            Err(error) => {
                record.verdict = verdict(error);
                parsed = asked.map(|text| (text, ObjectKey::parse(text, rules)));
                if let Some((text, key)) = &parsed {
                    record.store = key.as_ref().ok().map(ObjectKey::first_segment);
                    record.named = Some(key.as_ref().map_or(Named::NoKey(text), |key| Named::Key(key.as_str())));
                }
            }
        }
        self.write_down(call.minutes, &record)?;
        outcome
    }

    /// [`App::decided`] for what is done at the bucket: the line is written before it is.
    pub(super) fn granted(
        &self,
        of: (&Caller, &Call<'_>),
        operation: Operation,
        named: (Option<&str>, Option<&str>),
    ) -> Result<(Grant, &Backend), ApiError> {
        self.decided(of, operation, named, Ok)
    }

    /// Decides about all keys of a folder, does `act` with the grant, and writes down how that ended.
    pub(super) fn decided_folder<'a, T>(
        &'a self,
        (caller, call): (&Caller, &Call<'_>),
        folder: &str,
        act: impl FnOnce(&FolderGrant, &'a Backend) -> Result<T, ApiError>,
    ) -> Result<(FolderGrant, &'a Backend, T), ApiError> {
        // As `decided_again`: a folder is where keys come out, and never begins with the files root.
        let parsed = KeyFolder::parse(folder, &self.read_key_rules);
        let outcome = parsed.clone().map_err(ApiError::from).and_then(|folder| {
            let grant = decide_folder(caller, folder)?;
            let storage = self.charged(grant.storage(), grant.folder().first_segment())?;
            let done = act(&grant, storage)?;
            Ok((grant, storage, done))
        });
        let Some(route) = self.is_written(call.minutes) else { return outcome };
        let mut record = call.minutes.record(route, Some(caller), Verdict::Allow(None));
        record.operation = Some(CREDENTIALS);
        record.store = parsed.as_ref().ok().map(KeyFolder::first_segment);
        record.named = Some(parsed.as_ref().map_or(Named::NoKey(folder), |folder| Named::Key(folder.as_str())));
        match &outcome {
            Ok((_, storage, _)) => record.storage = Some(&storage.name),
            Err(error) => record.verdict = verdict(error),
        }
        self.write_down(call.minutes, &record)?;
        outcome
    }

    /// Writes down that something failed before it was known what was asked for, unless what failed has a line already.
    pub(super) fn noted<T>(
        &self,
        minutes: &Minutes<'_>,
        caller: Option<&Caller>,
        lines_before: u32,
        outcome: Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        if let (Err(error), Some(route)) = (&outcome, self.is_written(minutes))
            && minutes.lines() == lines_before
        {
            self.write_down(minutes, &minutes.record(route, caller, verdict(error)))?;
        }
        outcome
    }

    /// [`App::noted`] for one operation of several, done by `operate`.
    pub(super) fn noting<T>(
        &self,
        (caller, call): (&Caller, &Call<'_>),
        operate: impl FnOnce() -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let before = call.minutes.lines();
        self.noted(call.minutes, Some(caller), before, operate())
    }

    /// The row that took the request, if lines are written for it.
    fn is_written(&self, minutes: &Minutes<'_>) -> Option<&'static Route> {
        minutes.route.get().copied().filter(|_| self.audit.is_on())
    }

    fn write_down(&self, minutes: &Minutes<'_>, record: &Record<'_>) -> Result<(), ApiError> {
        self.audit.write(record)?;
        minutes.lines.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

fn verdict(error: &ApiError) -> Verdict {
    Verdict::Deny(error.code(), error.status().as_u16())
}
