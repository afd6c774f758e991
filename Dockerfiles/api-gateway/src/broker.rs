//! The billing queue of RabbitMQ: one connection, made again whenever it is lost.

use std::time::Duration;

use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions},
    types::FieldTable,
    uri::AMQPUri,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

use crate::link::Link;

/// How long a client waits for the broker at most.
const PATIENCE: Duration = Duration::from_secs(5);
const CONNECT: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(250);
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const PERSISTENT: u8 = 2;

pub struct Broker {
    uri: AMQPUri,
    queue: String,
    link: Link,
    channel: watch::Sender<Option<Channel>>,
}

impl Broker {
    pub fn new(uri: AMQPUri, queue: String) -> Self {
        let link = Link::new(format!("RabbitMQ at {}:{}", uri.authority.host, uri.authority.port));
        Self { uri, queue, link, channel: watch::Sender::new(None) }
    }

    /// Returns why the broker is not there, if it is not.
    pub fn trouble(&self) -> Option<String> {
        self.link.trouble()
    }

    /// Connects, and connects again when the connection is lost, for as long as this is polled.
    pub async fn stay_connected(&self) {
        let mut pause = SHORTEST_PAUSE;
        loop {
            let began = Instant::now();
            let trouble = match timeout(CONNECT, self.open()).await {
                Ok(Ok((connection, channel))) => {
                    self.link.report(Ok(()));
                    self.channel.send_replace(Some(channel.clone()));
                    while connection.status().connected() && channel.status().connected() {
                        sleep(LOOK).await;
                    }
                    self.channel.send_replace(None);
                    "the connection was lost".to_owned()
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("no answer within {} s", CONNECT.as_secs()),
            };
            self.link.report(Err(trouble));
            if began.elapsed() > LONGEST_PAUSE {
                pause = SHORTEST_PAUSE;
            }
            sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    async fn open(&self) -> lapin::Result<(Connection, Channel)> {
        let properties = ConnectionProperties::default().with_connection_name("api-gateway".into());
        let connection = Connection::connect_uri(self.uri.clone(), properties).await?;
        let channel = connection.create_channel().await?;
        self.declare(&channel).await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok((connection, channel))
    }

    async fn declare(&self, channel: &Channel) -> lapin::Result<()> {
        let (queue, options) = (self.queue.as_str().into(), QueueDeclareOptions::durable());
        channel.queue_declare(queue, options, FieldTable::default()).await.map(drop)
    }

    /// Returns once the broker has confirmed that it keeps the message. Where a connection breaks, the message is sent
    /// again with the same id, by which the consumer knows it. The error says why there is no confirmation; the message
    /// may be in the queue all the same.
    pub async fn publish(&self, id: &str, message: &[u8]) -> Result<(), String> {
        let mut trouble = None;
        let attempts = async {
            while let Err(error) = self.publish_once(id, message).await {
                trouble = Some(error);
                sleep(SHORTEST_PAUSE).await;
            }
        };
        let late = timeout(PATIENCE, attempts).await.is_err();
        let reason = || self.trouble().or(trouble).unwrap_or_else(|| "RabbitMQ did not confirm".into());
        if late { Err(format!("{} (waited {} s)", reason(), PATIENCE.as_secs())) } else { Ok(()) }
    }

    async fn publish_once(&self, id: &str, message: &[u8]) -> Result<(), String> {
        let mut channel = self.channel.subscribe();
        let channel = channel.wait_for(Option::is_some).await.ok().and_then(|channel| channel.clone());
        let Some(channel) = channel else { return Err("the gateway is ending".into()) };
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let properties = BasicProperties::default()
            .with_message_id(id.into())
            .with_content_type("application/json".into())
            .with_delivery_mode(PERSISTENT);
        let sent = channel.basic_publish("".into(), self.queue.as_str().into(), options, message, properties).await;
        match async { sent?.await }.await {
            Ok(Confirmation::Ack(None)) => Ok(()),
            Ok(Confirmation::Ack(Some(_))) => {
                self.declare(&channel).await.map_err(|error| error.to_string())?;
                Err(format!("the queue {} was gone", self.queue))
            }
            Ok(_) => Err("RabbitMQ refused the message".into()),
            Err(error) => Err(error.to_string()),
        }
    }
}
