//! The controllers together, on a real store.

mod faults;
mod lifecycle;
mod scale;
mod storage;
mod workloads;
