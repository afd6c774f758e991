//! The three microservices, as processes, against a real PostgreSQL and a real RabbitMQ.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

mod billing;
mod broker_restarts;
mod checks;
mod cluster;
mod course;
mod gateway;
mod gateway_api;
mod images;
mod inventory;
mod inventory_life;
mod postgres;
mod program;
mod rabbitmq;
mod restarts;
mod stand_in;
mod wait;
