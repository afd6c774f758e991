//! The address that others see this computer at.

use std::{
    net::{IpAddr, UdpSocket},
    time::Duration,
};

use super::computer::variable;
use crate::failure::{EC2_CALLER_UNKNOWN, Failure};

/// Answers with the address of who asks.
const SERVICE: &str = "https://checkip.amazonaws.com";
/// Names another service of the kind.
const VARIABLE: &str = "ORCHESTRATOR_CHECKIP_URL";
const PATIENCE: Duration = Duration::from_secs(10);
const ATTEMPTS: u32 = 3;

/// Returns the address that this computer has on the internet.
///
/// # Errors
/// When the service that says so does not answer.
pub async fn public_address() -> Result<IpAddr, Failure> {
    let url = variable(VARIABLE).unwrap_or_else(|| SERVICE.into());
    let mut last = String::new();
    for _ in 0..ATTEMPTS {
        match ask(&url).await {
            Ok(address) => return Ok(address),
            Err(why) => last = why,
        }
    }
    Err(unknown(format!("{url}: {last}")))
}

/// Returns the address that this computer uses towards `other`; nothing is sent.
///
/// # Errors
/// When no network leads there.
pub fn address_towards(other: IpAddr) -> Result<IpAddr, Failure> {
    let any = if other.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).and_then(|socket| socket.connect((other, 22)).map(|()| socket));
    let address = socket.and_then(|socket| socket.local_addr());
    address.map(|address| address.ip()).map_err(|error| unknown(format!("no network leads to {other}: {error}")))
}

async fn ask(url: &str) -> Result<IpAddr, String> {
    let words = |error: reqwest::Error| error.without_url().to_string();
    let client = reqwest::Client::builder().timeout(PATIENCE).build().map_err(words)?;
    let answer = client.get(url).send().await.and_then(reqwest::Response::error_for_status).map_err(words)?;
    let text = answer.text().await.map_err(words)?;
    text.trim().parse().map_err(|_| "the answer is no address".to_owned())
}

fn unknown(why: String) -> Failure {
    Failure::new(&EC2_CALLER_UNKNOWN, "the address of this computer cannot be found")
        .because(why)
        .hint("write who may connect: `[ec2] allow = [\"203.0.113.7/32\"]`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn towards_this_computer_it_is_its_own() {
        let loopback: IpAddr = "127.0.0.1".parse().unwrap();
        assert_eq!(address_towards(loopback).unwrap(), loopback);
    }
}
