//! RabbitMQ brokers of the tests' own.

use std::{
    fs,
    path::Path,
    process::Command,
    sync::{Arc, Weak},
    time::Duration,
};

use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties,
    message::BasicGetMessage,
    options::{BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions},
    types::FieldTable,
};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::sync::Mutex;

use crate::{
    program::{Environment, Program},
    wait::{eventually, free_port},
};

const USER: &str = "tester";
const PASSWORD: &str = "secret@:/%";

pub struct RabbitMq {
    folder: TempDir,
    port: u16,
    distribution: u16,
    mapper_port: u16,
    /// Dropped in this order: the broker before the port mapper it is registered with.
    broker: Option<Program>,
    _mapper: Program,
}

impl RabbitMq {
    /// Returns a broker that tests share; it ends with the last of them.
    pub async fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<RabbitMq>> = Mutex::const_new(Weak::new());
        let mut shared = SHARED.lock().await;
        if let Some(broker) = shared.upgrade() {
            return broker;
        }
        let broker = Arc::new(Self::start().await);
        *shared = Arc::downgrade(&broker);
        broker
    }

    pub async fn start() -> Self {
        let mut broker = Self::new();
        broker.start_again().await;
        broker
    }

    /// A broker that is not started yet.
    pub fn new() -> Self {
        let (folder, port, mapper_port) = (tempfile::tempdir().unwrap(), free_port(), free_port());
        let settings = format!(
            "listeners.tcp.1 = 127.0.0.1:{port}\ndefault_user = {USER}\ndefault_pass = {PASSWORD}\n\
             loopback_users = none\ndisk_free_limit.absolute = 10MB\nlog.console = true\nlog.file = false\n"
        );
        fs::write(folder.path().join("rabbitmq.conf"), settings).unwrap();
        fs::write(folder.path().join("enabled_plugins"), "[].").unwrap();
        // Started here, because the one that Erlang would start outlives everybody.
        let arguments = ["-address", "127.0.0.1", "-port", &mapper_port.to_string()];
        let mapper = Program::start("epmd", Command::new("epmd").args(arguments));
        Self { folder, port, distribution: free_port(), mapper_port, broker: None, _mapper: mapper }
    }

    pub async fn start_again(&mut self) {
        let at = |name: &str| self.folder.path().join(name);
        assert!(Path::new(SERVER).exists(), "there is no RabbitMQ: run tests/run");
        let mut command = Command::new(SERVER);
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", self.folder.path())
            .env("LC_ALL", "C.UTF-8")
            .env("RUNNING_UNDER_SYSTEMD", "1") // no shell between us and the broker
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("ERL_EPMD_PORT", self.mapper_port.to_string())
            .env("RABBITMQ_NODENAME", format!("test{}@localhost", self.port))
            .env("RABBITMQ_DIST_PORT", self.distribution.to_string())
            .env("RABBITMQ_CONFIG_FILE", at("rabbitmq.conf"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", at("enabled_plugins"))
            .env("RABBITMQ_MNESIA_BASE", at("data"))
            .env("RABBITMQ_LOG_BASE", at("log"))
            .env("RABBITMQ_PID_FILE", at("pid"))
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}");
        self.broker = Some(Program::start("rabbitmq-server", &mut command));
        // A connection that a starting broker drops may never be told so.
        let connect = async || tokio::time::timeout(Duration::from_secs(5), self.connect()).await.ok()?.ok();
        eventually("RabbitMQ answers", 60, connect).await;
    }

    /// Ends the broker as an operator does.
    pub fn stop(&mut self) {
        self.broker.take().unwrap().end(Signal::TERM);
    }

    /// Ends the broker at once, as a crash does.
    pub fn crash(&mut self) {
        self.broker.take().unwrap().kill();
    }

    /// Returns a queue that no other test uses.
    pub fn queue(&self) -> Queue {
        Queue { name: format!("billing-{}", uuid::Uuid::new_v4()), port: self.port }
    }

    async fn connect(&self) -> lapin::Result<Connection> {
        Queue { name: String::new(), port: self.port }.connect().await
    }
}

const SERVER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

impl Drop for RabbitMq {
    fn drop(&mut self) {
        if let Some(mut broker) = self.broker.take() {
            broker.kill();
        }
    }
}

pub struct Queue {
    name: String,
    port: u16,
}

impl Queue {
    /// What a service has to know.
    pub fn environment(&self) -> Environment {
        vec![
            ("RABBITMQ_HOST", "127.0.0.1".into()),
            ("RABBITMQ_PORT", self.port.to_string()),
            ("RABBITMQ_QUEUE", self.name.clone()),
            ("RABBITMQ_USER", USER.into()),
            ("RABBITMQ_PASSWORD", PASSWORD.into()),
        ]
    }

    /// Returns the queue of messages that are no orders.
    pub fn dead(&self) -> Self {
        Self { name: format!("{}.dead", self.name), port: self.port }
    }

    /// Puts messages into the queue, as somebody else than the gateway would.
    pub async fn publish(&self, messages: impl IntoIterator<Item = (&[u8], BasicProperties)>) {
        let (_connection, channel) = self.open().await;
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        let options = QueueDeclareOptions::durable();
        channel.queue_declare(self.name.as_str().into(), options, FieldTable::default()).await.unwrap();
        for (message, properties) in messages {
            let (queue, properties) = (self.name.as_str().into(), properties.with_delivery_mode(2));
            let options = BasicPublishOptions::default();
            channel.basic_publish("".into(), queue, options, message, properties).await.unwrap();
        }
        assert!(channel.wait_for_confirms().await.unwrap().is_empty());
    }

    /// Returns how many messages wait in the queue.
    pub async fn length(&self) -> u32 {
        let (_connection, channel) = self.open().await;
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let queue = channel.queue_declare(self.name.as_str().into(), options, FieldTable::default()).await;
        queue.unwrap().message_count()
    }

    /// Takes a message out of the queue.
    pub async fn take(&self) -> Option<BasicGetMessage> {
        let (_connection, channel) = self.open().await;
        channel.basic_get(self.name.as_str().into(), BasicGetOptions { no_ack: true }).await.unwrap()
    }

    /// Takes all messages and gives them back, as a consumer does that dies: they are delivered again.
    pub async fn take_and_give_back(&self) {
        let (connection, channel) = self.open().await;
        let (queue, options) = (self.name.as_str(), BasicGetOptions::default());
        while channel.basic_get(queue.into(), options).await.unwrap().is_some() {}
        connection.close(200, "".into()).await.unwrap();
    }

    async fn open(&self) -> (Connection, Channel) {
        let connection = self.connect().await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        (connection, channel)
    }

    async fn connect(&self) -> lapin::Result<Connection> {
        let mut uri: lapin::uri::AMQPUri = format!("amqp://127.0.0.1:{}", self.port).parse().unwrap();
        uri.authority.userinfo.username = USER.into();
        uri.authority.userinfo.password = PASSWORD.into();
        Connection::connect_uri(uri, ConnectionProperties::default()).await
    }
}
