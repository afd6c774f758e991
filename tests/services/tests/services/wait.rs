//! Waiting, always with a deadline.

use std::{
    net::{Ipv4Addr, TcpListener},
    time::Duration,
};

use tokio::time::{Instant, sleep, timeout_at};

/// Asks again and again until there is an answer.
#[track_caller]
pub fn eventually<T>(what: &str, seconds: u64, mut ask: impl AsyncFnMut() -> Option<T>) -> impl Future<Output = T> {
    let end = Instant::now() + Duration::from_secs(seconds);
    async move {
        loop {
            match timeout_at(end, ask()).await {
                Ok(Some(answer)) => return answer,
                Ok(None) => assert!(Instant::now() < end, "{what}: not within {seconds} s"),
                Err(elapsed) => panic!("{what}: asked, and no answer within {seconds} s: {elapsed}"),
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Returns a port on loopback that nothing listens on.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}
