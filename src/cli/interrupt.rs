use std::process;

use tokio::signal::unix::{SignalKind, signal};

use crate::{
    engine::{Cancel, Canceller},
    failure::Kind,
};

/// Turns the first Ctrl-C or SIGTERM into a wish to stop, and ends the program at the second.
pub fn listen() -> Cancel {
    let (canceller, cancel) = Canceller::new();
    // Registered before anything is shown: who sees a line may press Ctrl-C.
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return cancel;
    };
    #[expect(clippy::disallowed_methods, reason = "it listens as long as the program runs")]
    tokio::spawn(async move {
        for count in 0.. {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if count > 0 {
                #[expect(clippy::exit, reason = "at once, whatever is under way")]
                process::exit(Kind::Interrupted.exit_code().into());
            }
            canceller.cancel();
        }
    });
    cancel
}
