//! The cluster's own security group: its machines reach each other, and who may reach them from outside is as few as can
//! be.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
};

use tokio::time::{Instant, sleep};

use super::{
    Ec2Provider,
    instances::now,
    tags::{CLUSTER_ID, of_cluster},
};
use crate::{
    config::ReachedBy,
    effects::{
        ec2::{Filter, NewGroup, Rule, SecurityGroup, Source},
        public_address::{address_towards, public_address},
    },
    failure::Failure,
    model::{API_PORT, Done},
};

const SSH_PORT: u16 = 22;

impl Ec2Provider {
    /// Returns the groups of the cluster; there is one, unless none was made yet.
    pub(super) async fn groups(&self) -> Result<Vec<SecurityGroup>, Failure> {
        let Some(id) = self.cluster_id().await? else { return Ok(Vec::new()) };
        let found = self.ec2.groups(&[of_cluster(&id)]).await;
        found.map_err(|error| error.failure("the cluster's security group cannot be looked up"))
    }

    /// Has the group let in whom it shall, and nobody else. `found` is there already.
    pub(super) async fn have_group(&self, found: Vec<SecurityGroup>) -> Result<Done<()>, Failure> {
        let (group, made) = match found.into_iter().next() {
            Some(group) => {
                self.record.decide(|decided| decided.group_asked = None)?;
                (group, false)
            }
            None => (self.make_group().await?, true),
        };
        let wanted = wanted(&self.allowed().await?, &self.section.ports, &group.id);
        let there: BTreeSet<_> = group.rules.iter().cloned().collect();
        let missing: Vec<_> = wanted.difference(&there).cloned().collect();
        let stale: Vec<_> = there.difference(&wanted).cloned().collect();
        let failed = "the cluster's security group cannot be changed";
        if !missing.is_empty() {
            let authorized = self.once_seen(async || self.ec2.authorize(&group.id, &missing).await).await;
            authorized.map_err(|error| error.failure(failed))?;
        }
        if !stale.is_empty() {
            self.ec2.revoke(&group.id, &stale).await.map_err(|error| error.failure(failed))?;
        }
        self.group.replace(Some(group.id));
        Ok(Done::when(made || !missing.is_empty() || !stale.is_empty(), ()))
    }

    async fn make_group(&self) -> Result<SecurityGroup, Failure> {
        let subnets = self.subnets().await?;
        let vpc = &subnets[0].vpc;
        let owned = self.ownership().await?;
        let short: String = owned.id.chars().take(8).collect();
        let group = NewGroup {
            name: format!("orchestrator-{}-{short}", owned.cluster),
            description: format!("cluster {} made by orchestrator", owned.cluster),
            vpc: vpc.clone(),
            tags: owned.tags(),
        };
        let empty = |id| SecurityGroup {
            id,
            name: group.name.clone(),
            vpc: vpc.clone(),
            tags: group.tags.clone(),
            rules: Vec::new(),
        };
        let failed = "the cluster's security group cannot be made";
        self.record.decide(|decided| decided.group_asked = Some(now()))?;
        match self.ec2.create_group(&group).await {
            Ok(id) => Ok(empty(id)),
            // An earlier call made it, and was not heard to, or its tags are not to be seen yet.
            Err(error) if error.is("InvalidGroup.Duplicate") => {
                let ours = |found: &SecurityGroup| found.tags.get(CLUSTER_ID) == Some(&owned.id);
                let same = [Filter::new("group-name", [&group.name]), Filter::new("vpc-id", [vpc])];
                let end = Instant::now() + self.pace.unseen;
                loop {
                    let found = self.ec2.groups(&same).await.map_err(|error| error.failure(failed))?;
                    match found.into_iter().find(ours) {
                        Some(found) => return Ok(found),
                        None if Instant::now() > end => return Err(error.failure(failed)),
                        None => sleep(self.pace.poll * 2).await,
                    }
                }
            }
            Err(error) => {
                if !(error.code().is_empty() || error.passes()) {
                    self.record.decide(|decided| decided.group_asked = None)?; // it was not made
                }
                Err(error.failure(failed))
            }
        }
    }

    /// Returns the groups of the cluster, once one that was asked for a moment ago can be seen.
    pub(super) async fn all_groups(&self) -> Result<Vec<SecurityGroup>, Failure> {
        loop {
            let found = self.groups().await?;
            let asked = self.record.decided()?.group_asked;
            if asked.is_none_or(|at| now() - at > self.pace.unseen.as_secs() as i64) {
                return Ok(found);
            }
            if !found.is_empty() {
                self.record.decide(|decided| decided.group_asked = None)?;
                return Ok(found);
            }
            sleep(self.pace.poll * 4).await;
        }
    }

    /// Returns who may reach the machines from outside.
    async fn allowed(&self) -> Result<Vec<String>, Failure> {
        if !self.section.allow.is_empty() {
            return Ok(self.section.allow.clone());
        }
        let caller = match self.section.address {
            ReachedBy::Public => public_address().await?,
            ReachedBy::Private => address_towards(self.inside().await?)?,
        };
        Ok(vec![format!("{caller}/{}", if caller.is_ipv4() { 32 } else { 128 })])
    }

    /// Returns an address in the machines' subnet.
    async fn inside(&self) -> Result<IpAddr, Failure> {
        let subnets = self.subnets().await?;
        let network = subnets[0].cidr.split('/').next().and_then(|text| text.parse().ok());
        Ok(network.unwrap_or(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1))))
    }
}

/// Returns what the group of this id shall let in.
fn wanted(allowed: &[String], ports: &[u16], group: &str) -> BTreeSet<Rule> {
    let from_outside = allowed.iter().flat_map(|cidr| {
        let ports = [SSH_PORT, API_PORT].into_iter().chain(ports.iter().copied());
        ports.map(|port| Rule { port: Some(port), from: Source::Addresses(cidr.clone()) })
    });
    let among_themselves = Rule { port: None, from: Source::Group(group.into()) };
    from_outside.chain([among_themselves]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_is_who_is_allowed_at_these_ports_and_nobody_else() {
        let rules = wanted(&["203.0.113.7/32".into()], &[30000], "sg-1");
        assert_eq!(rules.len(), 4);
        for rule in rules {
            match rule.from {
                Source::Addresses(cidr) => {
                    assert!(cidr == "203.0.113.7/32" && [Some(22), Some(6443), Some(30000)].contains(&rule.port));
                }
                Source::Group(id) => assert!(id == "sg-1" && rule.port.is_none()),
            }
        }
    }
}
