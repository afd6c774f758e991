//! EC2 over its Query API: only the actions that clusters need, typed. The SDK's client for EC2 takes 8 GB to compile.

mod account;
mod advice;
mod call;
mod client;
mod error;
#[cfg(test)]
pub mod fake;
mod model;
mod query;
mod replies;

use async_trait::async_trait;

pub use account::Account;
pub use call::Patience;
pub use client::Client;
pub use error::{AwsError, Why, ids_in};
pub use model::*;

use crate::failure::Failure;

/// EC2 in one region. Every operation is safe to repeat.
#[async_trait(?Send)]
pub trait Ec2 {
    /// Returns the region, such as `eu-west-3`.
    async fn region(&self) -> Result<String, Failure>;

    /// Returns the same account in another region.
    fn elsewhere(&self, region: &str) -> Box<dyn Ec2>;

    /// Returns who calls.
    async fn caller(&self) -> Result<Caller, AwsError>;

    /// Returns the regions that the account can use.
    async fn regions(&self) -> Result<Vec<String>, AwsError>;

    /// Returns the value of a public parameter of the parameter store.
    async fn parameter(&self, name: &str) -> Result<String, AwsError>;

    async fn instance_type(&self, name: &str) -> Result<Option<InstanceType>, AwsError>;

    async fn image(&self, id: &str) -> Result<Option<Image>, AwsError>;

    /// Returns subnets by their zones.
    async fn subnets(&self, filters: &[Filter]) -> Result<Vec<Subnet>, AwsError>;

    async fn groups(&self, filters: &[Filter]) -> Result<Vec<SecurityGroup>, AwsError>;

    /// Makes a group that lets nothing in, and returns its id. `InvalidGroup.Duplicate` when there is one of that name.
    async fn create_group(&self, group: &NewGroup) -> Result<String, AwsError>;

    /// Has a group let these in. Those that it lets in already are no error.
    async fn authorize(&self, group: &str, rules: &[Rule]) -> Result<(), AwsError>;

    /// Has a group let these in no more. Those that it does not let in are no error.
    async fn revoke(&self, group: &str, rules: &[Rule]) -> Result<(), AwsError>;

    /// Removes a group. One that is not there is no error; `DependencyViolation` as long as something is in it.
    async fn delete_group(&self, id: &str) -> Result<(), AwsError>;

    /// Makes instances; all of them, or none.
    async fn run(&self, order: &Order) -> Result<Vec<Instance>, AwsError>;

    /// Asks whether [`Ec2::run`] would be allowed; makes nothing.
    async fn try_run(&self, order: &Order) -> Result<(), AwsError>;

    async fn instances(&self, which: &Which) -> Result<Vec<Instance>, AwsError>;

    async fn start(&self, ids: &[String]) -> Result<(), AwsError>;

    async fn stop(&self, ids: &[String]) -> Result<(), AwsError>;

    /// Ends instances for good. One id that is not known fails the call for all of them.
    async fn terminate(&self, ids: &[String]) -> Result<(), AwsError>;

    async fn volumes(&self, filters: &[Filter]) -> Result<Vec<Part>, AwsError>;

    /// Removes a disk. One that is not there is no error.
    async fn delete_volume(&self, id: &str) -> Result<(), AwsError>;

    async fn interfaces(&self, filters: &[Filter]) -> Result<Vec<Part>, AwsError>;

    /// Removes a network interface. One that is not there is no error.
    async fn delete_interface(&self, id: &str) -> Result<(), AwsError>;
}
