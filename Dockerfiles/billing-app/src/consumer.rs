//! Takes messages from the queue, one after the other, and acknowledges each once its order is committed.

use std::time::Duration;

use futures_util::StreamExt;
use lapin::{
    Channel, Connection, ConnectionProperties,
    message::Delivery,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, ConfirmSelectOptions, QueueDeclareOptions},
    types::FieldTable,
    uri::AMQPUri,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};
use tracing::{debug, info};

use crate::{
    link::Link,
    message::{bury, key, parse},
    orders::{Orders, Refused},
};

/// How many messages the broker sends ahead.
const AHEAD: u16 = 50;
const CONNECT: Duration = Duration::from_secs(10);
/// How much longer a message may take once all is to end; the broker keeps it then.
const LAST: Duration = Duration::from_secs(5);
const CLOSE: Duration = Duration::from_secs(5);
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

pub struct Consumer {
    broker: AMQPUri,
    queue: String,
    dead: String,
    link: Link,
}

impl Consumer {
    pub fn new(broker: AMQPUri, queue: String) -> Self {
        let link = Link::new(format!("RabbitMQ at {}:{}", broker.authority.host, broker.authority.port));
        Self { broker, dead: format!("{queue}.dead"), queue, link }
    }

    /// Returns why no messages come, if none can.
    pub fn trouble(&self) -> Option<String> {
        self.link.trouble()
    }

    /// Consumes until `stop` says so; a broker that goes is waited for.
    pub async fn run(&self, orders: &Orders, stop: &watch::Receiver<bool>) {
        let mut pause = SHORTEST_PAUSE;
        loop {
            let began = Instant::now();
            let opened = tokio::select! {
                () = stopped(stop) => return,
                opened = timeout(CONNECT, self.open()) => opened,
            };
            let trouble = match opened {
                Ok(Ok((connection, channel))) => {
                    let outcome = self.consume(&channel, orders, stop).await;
                    // Also after a failure: what was sent ahead goes to another consumer at once.
                    drop(timeout(CLOSE, connection.close(200, "end".into())).await);
                    outcome.err()
                }
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some(format!("no answer within {} s", CONNECT.as_secs())),
            };
            let Some(trouble) = trouble else { return };
            self.link.report(Err(trouble));
            if began.elapsed() > LONGEST_PAUSE {
                pause = SHORTEST_PAUSE;
            }
            tokio::select! {
                () = stopped(stop) => return,
                () = sleep(pause) => pause = LONGEST_PAUSE.min(pause * 2),
            }
        }
    }

    async fn open(&self) -> lapin::Result<(Connection, Channel)> {
        let properties = ConnectionProperties::default().with_connection_name("billing-app".into());
        let connection = Connection::connect_uri(self.broker.clone(), properties).await?;
        let channel = connection.create_channel().await?;
        for queue in [&self.queue, &self.dead] {
            channel.queue_declare(queue.as_str().into(), QueueDeclareOptions::durable(), FieldTable::default()).await?;
        }
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        channel.basic_qos(AHEAD, BasicQosOptions::default()).await?;
        Ok((connection, channel))
    }

    /// The error says what ended it.
    async fn consume(&self, channel: &Channel, orders: &Orders, stop: &watch::Receiver<bool>) -> Result<(), String> {
        let (queue, options) = (self.queue.as_str().into(), BasicConsumeOptions::default());
        let deliveries = channel.basic_consume(queue, "".into(), options, FieldTable::default()).await;
        let mut deliveries = deliveries.map_err(|error| error.to_string())?;
        self.link.report(Ok(()));
        info!("consuming the queue {}", self.queue);
        loop {
            tokio::select! {
                biased;
                () = stopped(stop) => return Ok(()),
                delivery = deliveries.next() => match delivery {
                    Some(Ok(delivery)) => tokio::select! {
                        biased;
                        outcome = self.take(channel, orders, &delivery) => outcome?,
                        () = async { stopped(stop).await; sleep(LAST).await } => return Ok(()),
                    },
                    Some(Err(error)) => return Err(error.to_string()),
                    None => return Err("the broker ended the consumer".into()),
                },
            }
        }
    }

    async fn take(&self, channel: &Channel, orders: &Orders, delivery: &Delivery) -> Result<(), String> {
        match parse(&delivery.data) {
            Err(reason) => bury(channel, &self.dead, delivery, &reason).await?,
            Ok(order) => {
                let key = key(delivery);
                match orders.record(&order, &key).await {
                    Ok(true) => debug!("message {}: recorded", key.id),
                    Ok(false) => info!("message {}: was recorded before", key.id),
                    Err(Refused(reason)) => bury(channel, &self.dead, delivery, &reason).await?,
                }
            }
        }
        delivery.ack(BasicAckOptions::default()).await.map(drop).map_err(|error| error.to_string())
    }
}

/// Waits until it is said that all is to end.
pub async fn stopped(stop: &watch::Receiver<bool>) {
    drop(stop.clone().wait_for(|stop| *stop).await);
}
