use tokio::sync::watch;

/// Tells everyone who holds a [`Cancel`] that the user wants to stop.
#[derive(Debug)]
pub struct Canceller(watch::Sender<bool>);

/// Whether the user wants to stop.
#[derive(Debug, Clone)]
pub struct Cancel(watch::Receiver<bool>);

impl Canceller {
    pub fn new() -> (Self, Cancel) {
        let (sender, receiver) = watch::channel(false);
        (Self(sender), Cancel(receiver))
    }

    pub fn cancel(&self) {
        self.0.send_replace(true);
    }
}

impl Cancel {
    pub fn is_cancelled(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns when the user wants to stop; never, if nobody can say so any more.
    pub async fn cancelled(&self) {
        if self.0.clone().wait_for(|cancelled| *cancelled).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
