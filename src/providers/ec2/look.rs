//! What `doctor` says of the account as a home for the cluster.

use super::Ec2Provider;
use crate::{
    effects::ec2::{Filter, Order, Tags},
    failure::Failure,
    model::finding::Finding,
};

impl Ec2Provider {
    /// Looks at everything that instances will need; changes nothing.
    pub(super) async fn look_closer(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        match self.look_at_account().await {
            Ok(finding) => findings.push(finding),
            Err(_) => return findings, // `check` says it
        }
        match self.try_run().await {
            Ok(kind) => findings.push(Finding::ok(format!("instances of type {kind} may be made"))),
            Err(failure) => findings.push(Finding::problem(failure.to_string(), failure.hint)),
        }
        findings
    }

    async fn look_at_account(&self) -> Result<Finding, Failure> {
        let (owner, region) = (self.owner().await?, self.ec2.region().await?);
        Ok(Finding::ok(format!("AWS takes the credentials: {owner}, region {region}")))
    }

    /// Asks for an instance as the cluster would, without having it made.
    async fn try_run(&self) -> Result<String, Failure> {
        let kind = self.instance_type().await?;
        let image = self.find_image(&kind).await?;
        let subnet = self.subnets().await?.swap_remove(0);
        let groups = [Filter::new("group-name", ["default"]), Filter::new("vpc-id", [&subnet.vpc])];
        let groups =
            self.ec2.groups(&groups).await.map_err(|error| error.failure("security groups cannot be listed"))?;
        let order = Order {
            token: uuid::Uuid::new_v4().to_string(),
            count: 1,
            image: image.id,
            kind: kind.name.clone(),
            subnet: subnet.id,
            group: groups.into_iter().next().map(|group| group.id).unwrap_or_default(),
            public_address: true,
            root_device: image.root_device,
            disk_gib: image.disk_gib.unwrap_or(8),
            user_data: String::new(),
            tags: Tags::from([(super::tags::CLUSTER.into(), self.cluster.clone())]),
            spot: false,
            ends_at_shutdown: true,
            bursts: kind.bursts,
        };
        let tried = self.ec2.try_run(&order).await;
        tried.map_err(|error| error.failure(format!("instances of type {} cannot be made", kind.name)))?;
        Ok(kind.name)
    }
}
