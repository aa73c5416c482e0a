//! The operations of a batch that the bucket has to answer: few at a time, and within the time of the request.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::time::{Instant, timeout_at};

use super::entry::Entry;
use crate::api::objects::Described;
use crate::api::{ApiError, App, Call};
use crate::domain::policy::Grant;
use crate::limits::Limited;
use crate::storage::{Backend, BucketError, MAX_DELETES};

/// Of the request's time, the part that is kept for writing the answer. What the bucket has not said by then is 504 in
/// its entry, and the rest of the answer is not lost with it.
const KEPT_FOR_THE_ANSWER: u32 = 10;

/// One operation, decided.
pub(super) struct Asked<'a> {
    pub(super) place: usize,
    pub(super) grant: Grant,
    pub(super) storage: &'a Backend,
}

/// One call, or what becomes one.
enum Job<'a> {
    Head(Asked<'a>),
    Delete(Asked<'a>),
    /// All in one storage.
    DeleteMany(Vec<Asked<'a>>),
}

/// What is to be done at the bucket.
#[derive(Default)]
pub(super) struct BucketWork<'a> {
    heads: Vec<Asked<'a>>,
    deletes: Vec<Asked<'a>>,
}

impl<'a> BucketWork<'a> {
    pub(super) fn head(&mut self, asked: Asked<'a>) {
        self.heads.push(asked);
    }

    pub(super) fn delete(&mut self, asked: Asked<'a>) {
        self.deletes.push(asked);
    }

    /// Does it, and says of each operation how it ended.
    pub(super) async fn done(self, app: &App, call: &Call<'_>) -> Vec<(usize, Entry<'a>)> {
        let mut open: Vec<usize> = self.heads.iter().chain(&self.deletes).map(|asked| asked.place).collect();
        if open.is_empty() {
            return Vec::new();
        }
        let queue = Queue::new(self.into_jobs());
        let kept = app.server.request_timeout.checked_div(KEPT_FOR_THE_ANSWER).unwrap_or_default();
        let ends = call.ends.checked_sub(kept).unwrap_or_else(Instant::now);
        let _ = timeout_at(ends, Box::pin(queue.work(app, call.now))).await;
        let (mut done, was_let_in) = queue.into_parts();
        let answered: HashSet<_> = done.iter().map(|(place, _)| *place).collect();
        open.retain(|place| !answered.contains(place));
        // Those that were begun may be done or not; nobody can say.
        let rest: ApiError = if was_let_in { BucketError::TimedOut.into() } else { Limited::Overloaded.into() };
        let rest = Arc::new(rest);
        done.extend(open.into_iter().map(|place| (place, Entry::Failed(Arc::clone(&rest)))));
        done
    }

    fn into_jobs(self) -> VecDeque<Job<'a>> {
        let mut jobs = VecDeque::new();
        let mut together: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for asked in self.deletes {
            if asked.storage.bucket.can_delete_with_others(&asked.grant) {
                together.entry(asked.grant.storage().get()).or_default().push(asked);
            } else {
                jobs.push_back(Job::Delete(asked));
            }
        }
        for mut of_storage in together.into_values() {
            while !of_storage.is_empty() {
                let rest = of_storage.split_off(of_storage.len().min(MAX_DELETES));
                // First, because it takes longest.
                jobs.push_front(Job::DeleteMany(std::mem::replace(&mut of_storage, rest)));
            }
        }
        jobs.extend(self.heads.into_iter().map(Job::Head));
        jobs
    }
}

/// What is left to do, and what is done.
struct Queue<'a> {
    jobs: Mutex<VecDeque<Job<'a>>>,
    done: Mutex<Vec<(usize, Entry<'a>)>>,
    was_let_in: AtomicBool,
}

/// Whole after each statement, so a panic elsewhere leaves nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> Queue<'a> {
    fn new(jobs: VecDeque<Job<'a>>) -> Self {
        Self { jobs: Mutex::new(jobs), done: Mutex::default(), was_let_in: AtomicBool::new(false) }
    }

    fn into_parts(self) -> (Vec<(usize, Entry<'a>)>, bool) {
        (self.done.into_inner().unwrap_or_else(PoisonError::into_inner), self.was_let_in.into_inner())
    }

    fn is_empty(&self) -> bool {
        lock(&self.jobs).is_empty()
    }

    /// Up to eight calls at a time, so that one batch takes no more of the bucket than eight callers do. Again while
    /// there is work, because what a bucket cannot do at once comes back one by one.
    async fn work(&self, app: &App, now: Timestamp) {
        loop {
            let worker = || self.worker(app, now);
            tokio::join!(worker(), worker(), worker(), worker(), worker(), worker(), worker(), worker());
            if self.is_empty() || !self.was_let_in.load(Ordering::Relaxed) {
                return;
            }
        }
    }

    /// One call after the other, in a place at the bucket like that of any other request. Without a place it leaves the
    /// work to the others.
    async fn worker(&self, app: &App, now: Timestamp) {
        if self.is_empty() {
            return;
        }
        let Ok(_place) = app.limits.admit_to_bucket() else { return };
        self.was_let_in.store(true, Ordering::Relaxed);
        loop {
            let Some(job) = lock(&self.jobs).pop_front() else { return };
            self.call(job, now).await;
        }
    }

    async fn call(&self, job: Job<'a>, now: Timestamp) {
        match job {
            Job::Head(asked) => {
                let entry = head(&asked, now).await.unwrap_or_else(Entry::from);
                lock(&self.done).push((asked.place, entry));
            }
            Job::Delete(asked) => {
                let deleted = asked.storage.bucket.delete(&asked.grant, now).await;
                lock(&self.done).push((asked.place, entry_of(deleted)));
            }
            Job::DeleteMany(all) => self.delete_many(all, now).await,
        }
    }

    async fn delete_many(&self, all: Vec<Asked<'a>>, now: Timestamp) {
        let Some(storage) = all.first().map(|asked| asked.storage) else { return };
        let grants: Vec<_> = all.iter().map(|asked| &asked.grant).collect();
        match storage.bucket.delete_many(&grants, now).await {
            Ok(Some(fates)) => {
                let entries = all.iter().zip(fates).map(|(asked, fate)| (asked.place, entry_of(fate)));
                lock(&self.done).extend(entries);
            }
            Ok(None) => lock(&self.jobs).extend(all.into_iter().map(Job::Delete)),
            Err(error) => {
                let error = Arc::new(error.into());
                let failed = |asked: &Asked<'_>| (asked.place, Entry::Failed(Arc::clone(&error)));
                lock(&self.done).extend(all.iter().map(failed));
            }
        }
    }
}

async fn head<'a>(asked: &Asked<'a>, now: Timestamp) -> Result<Entry<'a>, ApiError> {
    let object = asked.storage.bucket.head(&asked.grant, now).await?.ok_or(ApiError::ObjectNotFound)?;
    Ok(Entry::Described(Described::new(&asked.grant, asked.storage, object)))
}

fn entry_of<'a>(deleted: Result<(), BucketError>) -> Entry<'a> {
    deleted.map_or_else(|error| ApiError::from(error).into(), |()| Entry::Deleted)
}
