//! Connections that a machine makes for us.

use std::{
    io::{Read, Write},
    net::TcpListener,
};

use orchestrator::effects::ssh::SshError;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::server::{Place, free_port, on_one_thread};

#[test]
fn thirty_streams_come_back_byte_for_byte() {
    let place = Place::new();
    let server = place.server("");
    let ssh = place.ssh(&server);
    let echo = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = echo.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in echo.incoming() {
            std::thread::spawn(move || {
                let (mut stream, mut bytes) = (stream.unwrap(), Vec::new());
                stream.read_to_end(&mut bytes).unwrap();
                stream.write_all(&bytes).unwrap();
            });
        }
    });
    on_one_thread(async {
        let one = async |number: u8| {
            let mut stream = ssh.forward("127.0.0.1", port).await.unwrap();
            let sent = vec![number; 100_000 + usize::from(number)];
            stream.write_all(&sent).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut back = Vec::new();
            stream.read_to_end(&mut back).await.unwrap();
            assert!(back == sent, "{} bytes came back", back.len());
        };
        futures::future::join_all((0..30).map(one)).await;
    });
}

#[test]
fn a_closed_port_and_a_server_that_forbids_it_are_told_apart() {
    let place = Place::new();
    let (open, closed) = (place.server(""), place.server("AllowTcpForwarding no"));
    let (open, closed) = (place.ssh(&open), place.ssh(&closed));
    on_one_thread(async {
        let port = free_port();
        let because = |error| match error {
            SshError::ForwardingRefused { because, .. } => because,
            other => panic!("{other}"),
        };
        let refused = open.forward("127.0.0.1", port).await.err().map(because);
        assert_eq!(refused.as_deref(), Some("nothing answers there"));
        let refused = closed.forward("127.0.0.1", port).await.err().map(because).unwrap();
        assert!(refused.contains("AllowTcpForwarding"), "{refused}");
    });
}
