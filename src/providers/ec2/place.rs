//! What instances are made of and where: resolved once, then kept, so that a machine that is added later is like the
//! others.

use super::Ec2Provider;
use crate::{
    effects::ec2::{Filter, Image, InstanceType, Subnet},
    failure::{EC2_SETTING, Failure},
};

/// Where Canonical says which image is the newest (ubuntu.com/server/docs/cloud-images/amazon-ec2).
const UBUNTU: &str = "/aws/service/canonical/ubuntu/server/24.04/stable/current";
/// Processors that K3s is released for, as EC2 and as Canonical call them.
const ARCHITECTURES: [(&str, &str); 2] = [("x86_64", "amd64"), ("arm64", "arm64")];

impl Ec2Provider {
    pub(super) async fn instance_type(&self) -> Result<InstanceType, Failure> {
        let name = &self.section.instance_type;
        let found = self.ec2.instance_type(name).await;
        let found = found.map_err(|error| error.failure(format!("instance type {name} cannot be looked up")))?;
        let region = self.ec2.region().await?;
        found.ok_or_else(|| {
            setting(format!("there is no instance type {name} in {region}"))
                .hint("aws ec2 describe-instance-types --query 'InstanceTypes[].InstanceType'")
        })
    }

    /// Returns the image of the cluster's machines, and has it remembered.
    pub(super) async fn image(&self, kind: &InstanceType) -> Result<Image, Failure> {
        let image = match self.record.decided()?.image {
            Some(image) => image,
            None => self.find_image(kind).await?,
        };
        if !kind.architectures.contains(&image.architecture) {
            let what = format!("image {} is for {} processors", image.id, image.architecture);
            let because = format!("instances of type {} have {}", kind.name, kind.architectures.join(" or "));
            return Err(setting(what).because(because).hint("correct `[ec2] ami` or `instance-type`"));
        }
        self.record.decide(|decided| decided.image = Some(image.clone()))?;
        Ok(image)
    }

    pub(super) async fn find_image(&self, kind: &InstanceType) -> Result<Image, Failure> {
        let id = match &self.section.ami {
            Some(id) => id.clone(),
            None => self.newest_ubuntu(kind).await?,
        };
        let found = self.ec2.image(&id).await;
        let found = found.map_err(|error| error.failure(format!("image {id} cannot be looked up")))?;
        let region = self.ec2.region().await?;
        found.ok_or_else(|| {
            setting(format!("there is no image {id} in {region}"))
                .because("images have another id in each region, and may be private to an account")
                .hint("leave `[ec2] ami` out: the newest Ubuntu LTS is taken")
        })
    }

    async fn newest_ubuntu(&self, kind: &InstanceType) -> Result<String, Failure> {
        let known = ARCHITECTURES.iter().find(|(name, _)| kind.architectures.iter().any(|known| known == name));
        let (_, architecture) = known.ok_or_else(|| {
            let because = format!("it has {}; K3s is released for x86_64 and arm64", kind.architectures.join(", "));
            setting(format!("instance type {} cannot run K3s", kind.name))
                .because(because)
                .hint("./orchestrator doctor")
        })?;
        let name = format!("{UBUNTU}/{architecture}/hvm/ebs-gp3/ami-id");
        let found = self.ec2.parameter(&name).await;
        found.map_err(|error| error.failure("the newest image of Ubuntu cannot be looked up"))
    }

    /// Returns the subnets that machines may be made in, the one that is to be tried first in front.
    pub(super) async fn subnets(&self) -> Result<Vec<Subnet>, Failure> {
        if let Some(subnet) = self.record.decided()?.subnet {
            return Ok(vec![subnet]);
        }
        let filter = match &self.section.subnet {
            Some(id) => Filter::new("subnet-id", [id]),
            None => Filter::new("default-for-az", ["true"]),
        };
        let found = self.ec2.subnets(&[filter]).await;
        let found = found.map_err(|error| error.failure("the subnets cannot be looked up"))?;
        if !found.is_empty() {
            return Ok(found);
        }
        let region = self.ec2.region().await?;
        Err(match &self.section.subnet {
            Some(id) => setting(format!("there is no subnet {id} in {region}")).hint("aws ec2 describe-subnets"),
            None => setting(format!("the account has no default subnet in {region}"))
                .because("somebody removed the default VPC")
                .hint("aws ec2 create-default-vpc, or choose one: `[ec2] subnet`"),
        })
    }
}

fn setting(what: String) -> Failure {
    Failure::new(&EC2_SETTING, what)
}
