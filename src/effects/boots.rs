//! Machines that are worked on together: one call is for all of them, and each is told its own news.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, time::Duration};

use tokio::sync::{Mutex, watch};

use crate::failure::Failure;

/// So close to each other machines are asked for that are asked for together.
const TOGETHER: Duration = Duration::from_millis(200);

/// What came of each machine, by name.
pub type Results = BTreeMap<String, Result<(), Failure>>;

/// Machines that wait to be booted, and how those that were have ended.
#[derive(Default)]
pub struct Boots {
    waiting: RefCell<BTreeMap<String, watch::Sender<String>>>,
    ended: RefCell<Results>,
    /// Held by the one that boots all that wait.
    turn: Mutex<()>,
}

/// The machines of one boot, with whom to tell what is seen of each.
pub type Batch = BTreeMap<String, watch::Sender<String>>;

impl Boots {
    /// Boots a machine together with all that ask at the same time: one of them calls `boot` for all.
    ///
    /// # Errors
    /// What `boot` says of this machine.
    pub async fn boot(
        &self,
        machine: &str,
        seen: &dyn Fn(&str),
        boot: impl AsyncFnOnce(Rc<Batch>) -> Results,
    ) -> Result<(), Failure> {
        let (tell, news) = watch::channel(String::new());
        self.waiting.borrow_mut().insert(machine.into(), tell);
        let booted = async {
            let _turn = self.turn.lock().await;
            if let Some(result) = self.ended.borrow_mut().remove(machine) {
                return result;
            }
            tokio::time::sleep(TOGETHER).await;
            let batch = Rc::new(self.waiting.take());
            let results = boot(batch).await;
            self.ended.borrow_mut().extend(results);
            self.ended.borrow_mut().remove(machine).unwrap_or(Ok(()))
        };
        hearing(news, seen, booted).await
    }
}

/// Does `work`; meanwhile `seen` is told the news.
pub async fn hearing<T>(mut news: watch::Receiver<String>, seen: &dyn Fn(&str), work: impl Future<Output = T>) -> T {
    tokio::pin!(work);
    loop {
        tokio::select! {
            biased;
            Ok(()) = news.changed() => seen(&news.borrow_and_update()),
            result = &mut work => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::failure::VAGRANT_FAILED;

    #[tokio::test(start_paused = true)]
    async fn those_that_ask_together_are_booted_together_and_each_hears_its_own() {
        let (boots, calls) = (Boots::default(), Cell::new(0));
        let boot = async |batch: Rc<Batch>| {
            calls.set(calls.get() + 1);
            for (name, tell) in batch.iter() {
                tell.send_replace(format!("{name} boots"));
            }
            tokio::task::yield_now().await;
            let result = |name: &String| match name.as_str() {
                "b" => Err(Failure::new(&VAGRANT_FAILED, "b")),
                _ => Ok(()),
            };
            batch.keys().map(|name| (name.clone(), result(name))).collect()
        };
        let heard = RefCell::new(Vec::new());
        let hear = |word: &str| heard.borrow_mut().push(word.to_owned());
        let (a, b) = tokio::join!(boots.boot("a", &hear, boot), boots.boot("b", &hear, boot));
        a.unwrap();
        assert_eq!(b.unwrap_err().what, "b");
        assert_eq!(calls.get(), 1);
        heard.borrow_mut().sort();
        assert_eq!(*heard.borrow(), ["a boots", "b boots"]);
        boots.boot("a", &hear, boot).await.unwrap();
        assert_eq!(calls.get(), 2);
    }
}
