//! Addresses: hosts, networks, and the names Amazon has for places and machines.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use super::{Complaint, Format};

/// An IP address or a host name.
pub const HOST: Format = Format { name: "host", pattern: "^[A-Za-z0-9.:-]+$", example: "10.0.0.4", check: host };

/// An IPv4 network in CIDR notation.
pub const NETWORK: Format = Format {
    name: "ipv4-network",
    pattern: "^[0-9]{1,3}(\\.[0-9]{1,3}){3}/[0-9]{1,2}$",
    example: "192.168.56.0/24",
    check: network,
};

/// Addresses in CIDR notation, of any size and of either version of the protocol.
pub const CIDR: Format =
    Format { name: "cidr", pattern: "^[0-9A-Fa-f.:]+/[0-9]{1,3}$", example: "203.0.113.0/24", check: cidr };

/// The id of a subnet at Amazon.
pub const SUBNET: Format =
    Format { name: "aws-subnet", pattern: "^subnet-[0-9a-f]+$", example: "subnet-0123456789abcdef0", check: subnet };

/// The id of a machine image at Amazon.
pub const AMI: Format =
    Format { name: "aws-ami", pattern: "^ami-[0-9a-f]+$", example: "ami-0123456789abcdef0", check: ami };

/// An AWS region.
pub const AWS_REGION: Format =
    Format { name: "aws-region", pattern: "^[a-z]{2,}(-[a-z]+)+-[0-9]+$", example: "eu-west-3", check: aws_region };

/// An EC2 instance type.
pub const INSTANCE_TYPE: Format = Format {
    name: "ec2-instance-type",
    pattern: "^[a-z][a-z0-9-]*\\.[a-z0-9-]+$",
    example: "t3.medium",
    check: instance_type,
};

fn host(text: &str) -> Result<(), Complaint> {
    if text.parse::<IpAddr>().is_ok() || is_hostname(text) {
        return Ok(());
    }
    if let Some((user, address)) = text.split_once('@') {
        let hint = format!("write `address = \"{address}\", user = \"{user}\"`");
        return Err(Complaint::new("has a user in it").hint(hint));
    }
    if let Some((address, port)) = text.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()) {
        let hint = format!("write `address = \"{address}\", port = {port}`");
        return Err(Complaint::new("has a port in it").hint(hint));
    }
    Err(Complaint::new("is neither an IP address nor a host name").hint("such as `10.0.0.4` or `node1.example.com`"))
}

/// Returns whether `text` is a DNS name of at most 253 characters; something like `10.0.0.999` is not.
pub(super) fn is_hostname(text: &str) -> bool {
    let sound = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.chars().all(sound) && !label.starts_with('-') && !label.ends_with('-')
    };
    let numeric = text.split('.').all(|label| label.bytes().all(|byte| byte.is_ascii_digit()));
    text.len() <= 253 && text.split('.').all(label) && (!numeric || text.parse::<Ipv4Addr>().is_ok())
}

fn network(text: &str) -> Result<(), Complaint> {
    let complaint = || Complaint::new("is not an IPv4 network").hint("such as `192.168.56.0/24`");
    let (address, bits) = text.split_once('/').ok_or_else(complaint)?;
    let address: Ipv4Addr = address.parse().map_err(|_| complaint())?;
    let bits: u32 =
        bits.parse().ok().filter(|size| (8..=30).contains(size) && !bits.starts_with('+')).ok_or_else(|| {
            Complaint::new("has no size that a network of machines can have")
                .hint("between `/8` and `/30`, such as `/24`")
        })?;
    let mask = u32::MAX << (32 - bits);
    let base = Ipv4Addr::from(u32::from(address) & mask);
    if base != address {
        let hint = format!("did you mean `{base}/{bits}`?");
        return Err(Complaint::new("is an address inside a network").hint(hint));
    }
    Ok(())
}

fn cidr(text: &str) -> Result<(), Complaint> {
    if let Ok(address) = text.parse::<IpAddr>() {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        return Err(Complaint::new("has no size").hint(format!("this address alone is `{address}/{bits}`")));
    }
    let network: IpNet = text.parse().map_err(|_| {
        Complaint::new("is no range of addresses").hint("such as `203.0.113.0/24`, or `203.0.113.7/32` for one address")
    })?;
    if network.network() != network.addr() {
        return Err(Complaint::new("is an address inside a range").hint(format!("did you mean `{}`?", network.trunc())));
    }
    Ok(())
}

fn subnet(text: &str) -> Result<(), Complaint> {
    aws_id(text, "subnet-", "is not the id of a subnet", SUBNET.example)
}

fn ami(text: &str) -> Result<(), Complaint> {
    aws_id(text, "ami-", "is not the id of an image", AMI.example)
}

fn aws_id(text: &str, prefix: &str, message: &str, example: &str) -> Result<(), Complaint> {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let sound = |rest: &str| !rest.is_empty() && rest.bytes().all(digit);
    if text.strip_prefix(prefix).is_some_and(sound) {
        return Ok(());
    }
    Err(Complaint::new(message).hint(format!("such as `{example}`")))
}

fn aws_region(text: &str) -> Result<(), Complaint> {
    let parts: Vec<&str> = text.split('-').collect();
    let words = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    let sound = match parts.split_last() {
        Some((number, rest)) => {
            rest.len() >= 2
                && rest[0].len() >= 2
                && rest.iter().all(words)
                && !number.is_empty()
                && number.bytes().all(|byte| byte.is_ascii_digit())
        }
        None => false,
    };
    if sound {
        return Ok(());
    }
    let zone = text.strip_suffix(|c: char| c.is_ascii_lowercase()).filter(|region| aws_region(region).is_ok());
    Err(match zone {
        Some(region) => Complaint::new("is an availability zone").hint(format!("its region is `{region}`")),
        None => Complaint::new("is not an AWS region").hint("such as `eu-west-3`"),
    })
}

fn instance_type(text: &str) -> Result<(), Complaint> {
    let sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let ok = text.split_once('.').is_some_and(|(family, size)| {
        family.starts_with(|c: char| c.is_ascii_lowercase())
            && family.chars().all(sound)
            && !size.is_empty()
            && size.chars().all(sound)
    });
    if ok {
        return Ok(());
    }
    Err(Complaint::new("is not an EC2 instance type").hint("a family and a size, such as `t3.medium`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for good in ["10.0.0.4", "fd00::1", "node1", "node1.example.com"] {
            assert_eq!(host(good), Ok(()), "{good}");
        }
        for bad in ["", "10.0.0.999", "a_b", "ubuntu@10.0.0.4", "10.0.0.4:22", "-a", "a..b"] {
            assert!(host(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn networks_begin_at_their_first_address() {
        assert_eq!(network("192.168.56.0/24"), Ok(()));
        let complaint = network("192.168.56.7/24").expect_err("an address");
        assert_eq!(complaint.hint.as_deref(), Some("did you mean `192.168.56.0/24`?"));
        for bad in ["192.168.56.0", "192.168.56.0/33", "0.0.0.0/0", "x/24", "10.0.0.0/+8"] {
            assert!(network(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ranges_of_addresses_have_a_size_and_begin_at_their_first() {
        for good in ["0.0.0.0/0", "203.0.113.7/32", "2001:db8::/32"] {
            assert_eq!(cidr(good), Ok(()), "{good}");
        }
        assert_eq!(
            cidr("203.0.113.7").expect_err("bare").hint.as_deref(),
            Some("this address alone is `203.0.113.7/32`")
        );
        assert_eq!(cidr("203.0.113.7/24").expect_err("inside").hint.as_deref(), Some("did you mean `203.0.113.0/24`?"));
        assert!(cidr("any").is_err());
    }

    #[test]
    fn ids_have_their_prefix() {
        assert_eq!(subnet("subnet-0a1b"), Ok(()));
        for bad in ["subnet-", "vpc-0a1b", "subnet-xyz"] {
            assert!(subnet(bad).is_err(), "{bad}");
        }
        assert!(ami("ubuntu").is_err());
    }

    #[test]
    fn a_zone_is_told_its_region() {
        assert_eq!(aws_region("eu-west-3"), Ok(()));
        assert_eq!(aws_region("eu-west-3a").expect_err("a zone").hint.as_deref(), Some("its region is `eu-west-3`"));
        assert!(aws_region("paris").is_err());
    }
}
