use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::de::DeserializeOwned;

use super::{
    Account, AwsError, Ec2, Filter, Image, Instance, InstanceType, NewGroup, Order, Part, Patience, Rule,
    SecurityGroup, Source, Subnet, Which, Why,
    call::{Call, Caller},
    model,
    query::Query,
    replies::{self, from_xml},
};
use crate::failure::Failure;

/// How many results a page has at most.
const PAGE: usize = 1000;
/// What takes the tags of a `RunInstances` call.
const TAGGED: [&str; 4] = ["instance", "volume", "network-interface", "spot-instances-request"];

/// EC2, the real one.
pub struct Client {
    caller: Caller,
}

impl Client {
    /// Touches nothing yet.
    pub fn new(account: Account, patience: Patience) -> Self {
        Self { caller: Caller::new(account, patience) }
    }

    async fn text(&self, service: &'static str, query: &Query) -> Result<String, AwsError> {
        let call = Call { service, action: query.action, headers: &[], body: query.body() };
        self.caller.call(&call).await
    }

    async fn ask<T: DeserializeOwned>(&self, query: &Query) -> Result<T, AwsError> {
        let text = self.text("ec2", query).await?;
        from_xml(&text).map_err(|error| AwsError::new("ec2", query.action, Why::Unreadable(error)))
    }

    /// Does something of which only the success matters; these codes say that it was done before.
    async fn tell(&self, query: Query, done: &[&str]) -> Result<(), AwsError> {
        match self.text("ec2", &query).await {
            Err(error) if done.contains(&error.code()) => Ok(()),
            other => other.map(drop),
        }
    }

    /// Asks for page after page.
    async fn pages<T: DeserializeOwned, I>(
        &self,
        query: Query,
        page: impl Fn(T) -> (Vec<I>, Option<String>),
    ) -> Result<Vec<I>, AwsError> {
        let (mut all, mut next) = (Vec::new(), None::<String>);
        loop {
            let (items, more) = page(self.ask(&query.clone().maybe("NextToken", next)).await?);
            all.extend(items);
            next = more;
            if next.is_none() {
                return Ok(all);
            }
        }
    }
}

/// Returns the call that makes instances.
fn run_query(order: &Order) -> Query {
    let device = "BlockDeviceMapping.1";
    let query = Query::new("RunInstances")
        .set("ClientToken", &order.token)
        .set("ImageId", &order.image)
        .set("InstanceType", &order.kind)
        .set("MinCount", order.count)
        .set("MaxCount", order.count)
        .set("UserData", BASE64_STANDARD.encode(&order.user_data))
        .set("NetworkInterface.1.DeviceIndex", 0)
        .set("NetworkInterface.1.SubnetId", &order.subnet)
        .set("NetworkInterface.1.SecurityGroupId.1", &order.group)
        .set("NetworkInterface.1.AssociatePublicIpAddress", order.public_address)
        .set("NetworkInterface.1.DeleteOnTermination", true)
        .set("MetadataOptions.HttpEndpoint", "enabled")
        .set("MetadataOptions.HttpTokens", "required")
        .set("MetadataOptions.HttpPutResponseHopLimit", 1)
        .set(format!("{device}.DeviceName"), &order.root_device)
        .set(format!("{device}.Ebs.VolumeSize"), order.disk_gib)
        .set(format!("{device}.Ebs.VolumeType"), "gp3")
        .set(format!("{device}.Ebs.Encrypted"), true)
        .set(format!("{device}.Ebs.DeleteOnTermination"), true)
        .set("InstanceInitiatedShutdownBehavior", if order.ends_at_shutdown { "terminate" } else { "stop" })
        .maybe("CreditSpecification.CpuCredits", order.bursts.then_some("standard"))
        .tags(if order.spot { &TAGGED } else { &TAGGED[..3] }, &order.tags);
    match order.spot {
        true => query
            .set("InstanceMarketOptions.MarketType", "spot")
            .set("InstanceMarketOptions.SpotOptions.SpotInstanceType", "one-time"),
        false => query,
    }
}

/// Returns a call about what a group lets in.
fn rules_query(action: &'static str, group: &str, rules: &[Rule]) -> Query {
    let mut query = Query::new(action).set("GroupId", group);
    for (number, rule) in (1..).zip(rules) {
        let permission = format!("IpPermissions.{number}");
        query = match rule.port {
            Some(port) => query
                .set(format!("{permission}.IpProtocol"), "tcp")
                .set(format!("{permission}.FromPort"), port)
                .set(format!("{permission}.ToPort"), port),
            None => query.set(format!("{permission}.IpProtocol"), "-1"),
        };
        query = match &rule.from {
            Source::Group(id) => query.set(format!("{permission}.Groups.1.GroupId"), id),
            Source::Addresses(cidr) if cidr.contains(':') => {
                query.set(format!("{permission}.Ipv6Ranges.1.CidrIpv6"), cidr)
            }
            Source::Addresses(cidr) => query.set(format!("{permission}.IpRanges.1.CidrIp"), cidr),
        };
    }
    query
}

#[async_trait(?Send)]
impl Ec2 for Client {
    async fn region(&self) -> Result<String, Failure> {
        self.caller.account.region().await
    }

    fn elsewhere(&self, region: &str) -> Box<dyn Ec2> {
        Box::new(Self { caller: self.caller.elsewhere(region) })
    }

    async fn caller(&self) -> Result<model::Caller, AwsError> {
        let query = Query::sts("GetCallerIdentity");
        let text = self.text("sts", &query).await?;
        let identity: replies::Identity =
            from_xml(&text).map_err(|error| AwsError::new("sts", query.action, Why::Unreadable(error)))?;
        Ok(identity.caller())
    }

    async fn regions(&self) -> Result<Vec<String>, AwsError> {
        Ok(self.ask::<replies::Regions>(&Query::new("DescribeRegions")).await?.names())
    }

    async fn parameter(&self, name: &str) -> Result<String, AwsError> {
        let action = "GetParameter";
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", "AmazonSSM.GetParameter")];
        let body = serde_json::json!({ "Name": name }).to_string();
        let text = self.caller.call(&Call { service: "ssm", action, headers: &headers, body }).await?;
        let reply: replies::ParameterReply = serde_json::from_str(&text)
            .map_err(|error| AwsError::new("ssm", action, Why::Unreadable(error.to_string())))?;
        Ok(reply.parameter.value)
    }

    async fn instance_type(&self, name: &str) -> Result<Option<InstanceType>, AwsError> {
        let query = Query::new("DescribeInstanceTypes").list("InstanceType", [name]);
        match self.ask::<replies::InstanceTypes>(&query).await {
            Err(error) if error.is("InvalidInstanceType") => Ok(None),
            found => Ok(found?.types().into_iter().next()),
        }
    }

    async fn image(&self, id: &str) -> Result<Option<Image>, AwsError> {
        let query = Query::new("DescribeImages").list("ImageId", [id]);
        match self.ask::<replies::Images>(&query).await {
            Err(error) if error.code().starts_with("InvalidAMIID") => Ok(None),
            found => Ok(found?.images().into_iter().next()),
        }
    }

    async fn subnets(&self, filters: &[Filter]) -> Result<Vec<Subnet>, AwsError> {
        Ok(self.ask::<replies::Subnets>(&Query::new("DescribeSubnets").filters(filters)).await?.subnets())
    }

    async fn groups(&self, filters: &[Filter]) -> Result<Vec<SecurityGroup>, AwsError> {
        let query = Query::new("DescribeSecurityGroups").filters(filters).set("MaxResults", PAGE);
        self.pages(query, replies::Groups::page).await
    }

    async fn create_group(&self, group: &NewGroup) -> Result<String, AwsError> {
        let query = Query::new("CreateSecurityGroup")
            .set("GroupName", &group.name)
            .set("GroupDescription", &group.description)
            .set("VpcId", &group.vpc)
            .tags(&["security-group"], &group.tags);
        Ok(self.ask::<replies::GroupMade>(&query).await?.group_id)
    }

    async fn authorize(&self, group: &str, rules: &[Rule]) -> Result<(), AwsError> {
        let action = "AuthorizeSecurityGroupIngress";
        match self.tell(rules_query(action, group, rules), &[]).await {
            // One that is there already keeps the others out.
            Err(error) if error.is("InvalidPermission.Duplicate") => {
                for rule in rules {
                    let one = rules_query(action, group, std::slice::from_ref(rule));
                    self.tell(one, &["InvalidPermission.Duplicate"]).await?;
                }
                Ok(())
            }
            other => other,
        }
    }

    async fn revoke(&self, group: &str, rules: &[Rule]) -> Result<(), AwsError> {
        for rule in rules {
            let one = rules_query("RevokeSecurityGroupIngress", group, std::slice::from_ref(rule));
            self.tell(one, &["InvalidPermission.NotFound"]).await?;
        }
        Ok(())
    }

    async fn delete_group(&self, id: &str) -> Result<(), AwsError> {
        let gone = ["InvalidGroup.NotFound", "InvalidGroupId.NotFound"];
        self.tell(Query::new("DeleteSecurityGroup").set("GroupId", id), &gone).await
    }

    async fn run(&self, order: &Order) -> Result<Vec<Instance>, AwsError> {
        Ok(self.ask::<replies::Reservation>(&run_query(order)).await?.instances())
    }

    async fn try_run(&self, order: &Order) -> Result<(), AwsError> {
        self.tell(run_query(order).set("DryRun", true), &["DryRunOperation"]).await
    }

    async fn instances(&self, which: &Which) -> Result<Vec<Instance>, AwsError> {
        let query = Query::new("DescribeInstances");
        let query = match which {
            Which::Like(filters) => query.filters(filters).set("MaxResults", PAGE),
            Which::Ids(ids) => query.list("InstanceId", ids),
        };
        self.pages(query, replies::Reservations::page).await
    }

    async fn start(&self, ids: &[String]) -> Result<(), AwsError> {
        self.tell(Query::new("StartInstances").list("InstanceId", ids), &[]).await
    }

    async fn stop(&self, ids: &[String]) -> Result<(), AwsError> {
        self.tell(Query::new("StopInstances").list("InstanceId", ids), &[]).await
    }

    async fn terminate(&self, ids: &[String]) -> Result<(), AwsError> {
        self.tell(Query::new("TerminateInstances").list("InstanceId", ids), &[]).await
    }

    async fn volumes(&self, filters: &[Filter]) -> Result<Vec<Part>, AwsError> {
        let query = Query::new("DescribeVolumes").filters(filters).set("MaxResults", 500);
        self.pages(query, replies::Volumes::page).await
    }

    async fn delete_volume(&self, id: &str) -> Result<(), AwsError> {
        self.tell(Query::new("DeleteVolume").set("VolumeId", id), &["InvalidVolume.NotFound"]).await
    }

    async fn interfaces(&self, filters: &[Filter]) -> Result<Vec<Part>, AwsError> {
        let query = Query::new("DescribeNetworkInterfaces").filters(filters).set("MaxResults", PAGE);
        self.pages(query, replies::Interfaces::page).await
    }

    async fn delete_interface(&self, id: &str) -> Result<(), AwsError> {
        let gone = ["InvalidNetworkInterfaceID.NotFound"];
        self.tell(Query::new("DeleteNetworkInterface").set("NetworkInterfaceId", id), &gone).await
    }
}
