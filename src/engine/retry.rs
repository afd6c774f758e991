use std::{fmt::Display, time::Duration};

use super::{EventKind, Scope};

impl Scope<'_> {
    /// Repeats `attempt` after each of `delays` while its error `passes` by itself; every repetition is told. `what`
    /// names it.
    ///
    /// # Errors
    /// The error of the last attempt; the first one that does not pass.
    pub async fn retry<T, E: Display>(
        &self,
        what: &dyn Display,
        delays: &[Duration],
        passes: impl Fn(&E) -> bool,
        attempt: impl AsyncFn() -> Result<T, E>,
    ) -> Result<T, E> {
        for (count, delay) in (1..).zip(delays) {
            match attempt().await {
                Err(error) if passes(&error) && self.go_on().is_ok() => {
                    self.emit(|step, on| EventKind::Retrying {
                        step,
                        on,
                        what: what.to_string(),
                        attempt: count + 1,
                        because: error.to_string(),
                    });
                    self.pause(*delay).await;
                }
                answer => return answer,
            }
        }
        attempt().await
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::{
        engine::{Canceller, testing::*},
        model::Done,
    };

    const DELAYS: [Duration; 3] = [Duration::from_secs(1); 3];

    async fn attempts(passes: bool, fail: u32) -> (Result<u32, String>, u32) {
        let (events, count) = (Recorded::default(), Cell::new(0));
        let (_canceller, run) = run(&events, None);
        let result = run
            .step(STEP, async |scope| {
                let attempt = async || {
                    count.set(count.get() + 1);
                    if count.get() > fail { Ok(count.get()) } else { Err(format!("busy {}", count.get())) }
                };
                Ok(Done::Unchanged(scope.retry(&"it", &DELAYS, |_| passes, attempt).await))
            })
            .await
            .unwrap();
        (result, u32::try_from(events.count(|kind| matches!(kind, EventKind::Retrying { .. }))).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn what_passes_is_repeated_and_told() {
        assert_eq!(attempts(true, 2).await, (Ok(3), 2));
    }

    #[tokio::test(start_paused = true)]
    async fn it_gives_up_with_the_last_error() {
        assert_eq!(attempts(true, 9).await, (Err("busy 4".into()), 3));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_hopeless_is_not_repeated() {
        assert_eq!(attempts(false, 9).await, (Err("busy 1".into()), 0));
    }

    #[tokio::test(start_paused = true)]
    async fn ctrl_c_ends_the_repetitions() {
        let (canceller, run) = run(&Recorded::default(), None);
        let count = Cell::new(0);
        let work = run.step(STEP, async |scope| {
            let attempt = async || {
                count.set(count.get() + 1);
                Err::<(), _>("busy")
            };
            Ok(Done::Unchanged(scope.retry(&"it", &DELAYS, |_| true, attempt).await))
        });
        let (result, ()) = tokio::join!(work, interrupt(&canceller));
        assert_eq!((result.unwrap(), count.get()), (Err("busy"), 2));
    }

    async fn interrupt(canceller: &Canceller) {
        canceller.cancel();
    }
}
