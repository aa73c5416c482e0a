//! Load by a schedule, whether or not answers come, and load by as many as wait for answers.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::wire::{Answer, Broken};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Good,
    /// 503 or 429 with `Retry-After`.
    Shed,
    Wrong(String),
    Broken(Broken),
    /// No answer within the patience of who asked.
    Late,
}

impl Verdict {
    /// Of a request that is either answered with this status or shed.
    pub(crate) fn of(answer: Result<Answer, Broken>, good: u16) -> Self {
        match answer {
            Err(broken) => Self::Broken(broken),
            Ok(answer) if answer.status == good => Self::Good,
            Ok(answer) if answer.is_shed() => Self::Shed,
            Ok(answer) => Self::Wrong(format!("{} {}", answer.status, answer.code())),
        }
    }
}

pub(crate) struct Sample {
    /// When it was to be asked, from the start.
    pub(crate) due: Duration,
    /// From then to the answer: waiting in line counts.
    pub(crate) took: Duration,
    pub(crate) verdict: Verdict,
}

#[derive(Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) per_sec: f64,
    pub(crate) time: Duration,
    pub(crate) patience: Duration,
}

/// Asks at that pace until the time is over, and waits for the last answer.
pub(crate) async fn open_loop<F, A>(pace: Pace, ask: F) -> Figures
where
    F: Fn(u64) -> A,
    A: Future<Output = Verdict> + Send + 'static,
{
    open_loop_until(pace, || false, ask).await
}

/// The same, until `over` if that is sooner.
pub(crate) async fn open_loop_until<F, A>(pace: Pace, over: impl Fn() -> bool, ask: F) -> Figures
where
    F: Fn(u64) -> A,
    A: Future<Output = Verdict> + Send + 'static,
{
    let samples: Arc<Mutex<Vec<Sample>>> = Arc::default();
    let mut asked = JoinSet::new();
    let mut ticks = interval(Duration::from_millis(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (start, mut number) = (Instant::now(), 0_u64);
    loop {
        ticks.tick().await;
        loop {
            let due = Duration::from_secs_f64(number as f64 / pace.per_sec);
            if due > start.elapsed() || due >= pace.time {
                break;
            }
            let (answer, samples) = (ask(number), Arc::clone(&samples));
            number += 1;
            asked.spawn(async move {
                let left = (pace.patience + due).saturating_sub(start.elapsed());
                let verdict = timeout(left, answer).await.unwrap_or(Verdict::Late);
                samples.lock().unwrap().push(Sample { due, took: start.elapsed().saturating_sub(due), verdict });
            });
        }
        while asked.try_join_next().is_some() {}
        if start.elapsed() >= pace.time || over() {
            break;
        }
    }
    let time = start.elapsed().min(pace.time);
    asked.join_all().await;
    let samples = std::mem::take(&mut *samples.lock().unwrap());
    Figures { samples, time }
}

/// Before a peak is counted.
pub(crate) const WARM_UP: Duration = Duration::from_secs(1);

/// So many who each ask again when they have their answer: the most that can be done. Good answers a second.
pub(crate) async fn closed_loop<F, A>(askers: usize, time: Duration, ask: F) -> f64
where
    F: Fn(u64) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Verdict> + Send + 'static,
{
    let (good, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let mut all = JoinSet::new();
    for asker in 0..askers {
        let (ask, good, over) = (ask.clone(), Arc::clone(&good), Arc::clone(&over));
        all.spawn(async move {
            let mut number = asker as u64;
            while !over.load(Ordering::Relaxed) {
                let verdict = ask(number).await;
                assert_eq!(verdict, Verdict::Good, "at the peak");
                good.fetch_add(1, Ordering::Relaxed);
                number += askers as u64;
            }
        });
    }
    // What is warm counts.
    sleep(WARM_UP).await;
    let (before, start) = (good.load(Ordering::Relaxed), Instant::now());
    sleep(time).await;
    let (done, took) = (good.load(Ordering::Relaxed) - before, start.elapsed());
    over.store(true, Ordering::Relaxed);
    all.join_all().await;
    done as f64 / took.as_secs_f64()
}

pub(crate) struct Figures {
    pub(crate) samples: Vec<Sample>,
    time: Duration,
}

impl Figures {
    pub(crate) fn count(&self, which: impl Fn(&Verdict) -> bool) -> usize {
        self.samples.iter().filter(|sample| which(&sample.verdict)).count()
    }

    pub(crate) fn good(&self) -> usize {
        self.count(|verdict| *verdict == Verdict::Good)
    }

    pub(crate) fn shed(&self) -> usize {
        self.count(|verdict| *verdict == Verdict::Shed)
    }

    pub(crate) fn good_per_sec(&self) -> f64 {
        self.good() as f64 / self.time.as_secs_f64()
    }

    pub(crate) fn asked_per_sec(&self) -> f64 {
        self.samples.len() as f64 / self.time.as_secs_f64()
    }

    /// Of those with this verdict, in milliseconds.
    pub(crate) fn p99(&self, which: &Verdict) -> f64 {
        percentile(
            self.samples.iter().filter(|sample| sample.verdict == *which).map(|sample| sample.took).collect(),
            99,
        )
    }

    /// How many ended how.
    pub(crate) fn summary(&self) -> String {
        let mut kinds = std::collections::BTreeMap::<String, usize>::new();
        for sample in &self.samples {
            *kinds.entry(format!("{:?}", sample.verdict)).or_default() += 1;
        }
        let mut text: Vec<_> = kinds.iter().take(12).map(|(kind, count)| format!("{count} {kind}")).collect();
        text.insert(0, format!("{} asked", self.samples.len()));
        text.join(", ")
    }

    /// From when on, in seconds from the start, every half second saw only good answers with a p99 of at most `most` ms.
    pub(crate) fn normal_from(&self, most: f64) -> f64 {
        let half = Duration::from_millis(500);
        let mut from = 0.0;
        for slot in 0..self.time.as_millis() / half.as_millis() {
            let inside = |sample: &&Sample| sample.due.as_millis() / half.as_millis() == slot;
            let samples: Vec<_> = self.samples.iter().filter(inside).collect();
            let all_good = samples.iter().all(|sample| sample.verdict == Verdict::Good);
            if !all_good || percentile(samples.iter().map(|sample| sample.took).collect(), 99) > most {
                from = (slot + 1) as f64 * half.as_secs_f64();
            }
        }
        from
    }
}

/// In milliseconds; 0 of nothing.
pub(crate) fn percentile(mut times: Vec<Duration>, percent: usize) -> f64 {
    times.sort_unstable();
    times.get(times.len() * percent / 100).or(times.last()).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
}
