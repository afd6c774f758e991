//! Answers of EC2 as XML, and what is kept of them.

use serde::{Deserialize, de::DeserializeOwned};

use super::model::{
    Caller, Image, Instance, InstanceState, InstanceType, Part, Rule, SecurityGroup, Source, Subnet, Tags,
};

/// # Errors
/// When the text is not such a document.
pub fn from_xml<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    quick_xml::de::from_str(text).map_err(|error| error.to_string())
}

/// A list, as EC2 writes it.
#[derive(Debug, Deserialize)]
pub struct Items<T> {
    #[serde(rename = "item", default = "Vec::new")]
    pub items: Vec<T>,
}

impl<T> Default for Items<T> {
    fn default() -> Self {
        Self { items: Vec::new() }
    }
}

impl<T> Items<T> {
    fn map<U>(self, f: impl FnMut(T) -> U) -> Vec<U> {
        self.items.into_iter().map(f).collect()
    }
}

#[derive(Debug, Deserialize)]
pub struct Tag {
    key: String,
    #[serde(default)]
    value: String,
}

fn tags(set: Items<Tag>) -> Tags {
    set.map(|tag| (tag.key, tag.value)).into_iter().collect()
}

/// The end of a page, where more follows.
fn present(token: Option<String>) -> Option<String> {
    token.filter(|token| !token.is_empty())
}

/// `DescribeInstances`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reservations {
    #[serde(default)]
    reservation_set: Items<Reservation>,
    next_token: Option<String>,
}

/// `RunInstances`, and each part of `DescribeInstances`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reservation {
    #[serde(default)]
    instances_set: Items<InstanceReply>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct InstanceReply {
    instance_id: String,
    instance_state: Named,
    state_reason: Option<Reason>,
    #[serde(default)]
    ami_launch_index: usize,
    #[serde(default)]
    client_token: String,
    instance_type: String,
    #[serde(default)]
    launch_time: String,
    private_ip_address: Option<String>,
    ip_address: Option<String>,
    subnet_id: Option<String>,
    vpc_id: Option<String>,
    instance_lifecycle: Option<String>,
    #[serde(default)]
    tag_set: Items<Tag>,
}

#[derive(Debug, Deserialize)]
struct Named {
    name: String,
}

#[derive(Debug, Deserialize)]
struct Reason {
    #[serde(default)]
    message: String,
}

impl Reservations {
    /// Returns the instances of this page and where the next begins.
    pub fn page(self) -> (Vec<Instance>, Option<String>) {
        let instances = self.reservation_set.map(Reservation::instances);
        (instances.into_iter().flatten().collect(), present(self.next_token))
    }
}

impl Reservation {
    pub fn instances(self) -> Vec<Instance> {
        self.instances_set.items.into_iter().filter_map(InstanceReply::instance).collect()
    }
}

impl InstanceReply {
    fn instance(self) -> Option<Instance> {
        Some(Instance {
            id: self.instance_id,
            state: InstanceState::parse(&self.instance_state.name)?,
            reason: self.state_reason.map(|reason| reason.message).filter(|words| !words.is_empty()),
            launch_index: self.ami_launch_index,
            token: self.client_token,
            kind: self.instance_type,
            launched: self.launch_time,
            private_address: present(self.private_ip_address),
            public_address: present(self.ip_address),
            subnet: self.subnet_id,
            vpc: self.vpc_id,
            spot: self.instance_lifecycle.as_deref() == Some("spot"),
            tags: tags(self.tag_set),
        })
    }
}

/// `DescribeInstanceTypes`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceTypes {
    #[serde(default)]
    instance_type_set: Items<TypeReply>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TypeReply {
    instance_type: String,
    processor_info: Processor,
    v_cpu_info: Cpus,
    memory_info: Memory,
    #[serde(default)]
    burstable_performance_supported: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Processor {
    #[serde(default)]
    supported_architectures: Items<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cpus {
    default_v_cpus: u32,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Memory {
    size_in_mi_b: u64,
}

impl InstanceTypes {
    pub fn types(self) -> Vec<InstanceType> {
        self.instance_type_set.map(|found| InstanceType {
            name: found.instance_type,
            architectures: found.processor_info.supported_architectures.items,
            cpus: found.v_cpu_info.default_v_cpus,
            memory_mib: found.memory_info.size_in_mi_b,
            bursts: found.burstable_performance_supported,
        })
    }
}

/// `DescribeImages`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Images {
    #[serde(default)]
    images_set: Items<ImageReply>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ImageReply {
    image_id: String,
    #[serde(default)]
    name: String,
    architecture: String,
    root_device_name: Option<String>,
    #[serde(default)]
    block_device_mapping: Items<Device>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Device {
    device_name: Option<String>,
    ebs: Option<Disk>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Disk {
    volume_size: Option<u64>,
}

impl Images {
    pub fn images(self) -> Vec<Image> {
        self.images_set.map(|found| {
            let root = found.root_device_name.unwrap_or_else(|| "/dev/sda1".into());
            let mut devices = found.block_device_mapping.items.into_iter();
            let disk = devices.find(|device| device.device_name.as_ref() == Some(&root));
            Image {
                id: found.image_id,
                name: found.name,
                architecture: found.architecture,
                disk_gib: disk.and_then(|device| device.ebs?.volume_size),
                root_device: root,
            }
        })
    }
}

/// `DescribeSubnets`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subnets {
    #[serde(default)]
    subnet_set: Items<SubnetReply>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SubnetReply {
    subnet_id: String,
    vpc_id: String,
    availability_zone: String,
    cidr_block: String,
}

impl Subnets {
    /// Returns them by their zones.
    pub fn subnets(self) -> Vec<Subnet> {
        let mut subnets = self.subnet_set.map(|found| Subnet {
            id: found.subnet_id,
            vpc: found.vpc_id,
            zone: found.availability_zone,
            cidr: found.cidr_block,
        });
        subnets.sort_by(|a, b| a.zone.cmp(&b.zone));
        subnets
    }
}

/// `DescribeSecurityGroups`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Groups {
    #[serde(default)]
    security_group_info: Items<GroupReply>,
    next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct GroupReply {
    group_id: String,
    group_name: String,
    #[serde(default)]
    vpc_id: String,
    #[serde(default)]
    tag_set: Items<Tag>,
    #[serde(default)]
    ip_permissions: Items<Permission>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Permission {
    from_port: Option<i32>,
    #[serde(default)]
    groups: Items<Peer>,
    #[serde(default)]
    ip_ranges: Items<Range>,
    #[serde(default)]
    ipv6_ranges: Items<Range6>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Peer {
    group_id: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Range {
    cidr_ip: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Range6 {
    cidr_ipv6: String,
}

impl Permission {
    fn rules(self) -> Vec<Rule> {
        let port = self.from_port.and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0);
        let groups = self.groups.map(|peer| Source::Group(peer.group_id));
        let ranges = self.ip_ranges.map(|range| Source::Addresses(range.cidr_ip));
        let ranges6 = self.ipv6_ranges.map(|range| Source::Addresses(range.cidr_ipv6));
        let sources = groups.into_iter().chain(ranges).chain(ranges6);
        sources.map(|from| Rule { port, from }).collect()
    }
}

impl Groups {
    pub fn page(self) -> (Vec<SecurityGroup>, Option<String>) {
        let groups = self.security_group_info.map(|found| {
            let mut rules: Vec<_> = found.ip_permissions.map(Permission::rules).into_iter().flatten().collect();
            rules.sort();
            SecurityGroup {
                id: found.group_id,
                name: found.group_name,
                vpc: found.vpc_id,
                tags: tags(found.tag_set),
                rules,
            }
        });
        (groups, present(self.next_token))
    }
}

/// `CreateSecurityGroup`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupMade {
    pub group_id: String,
}

/// `DescribeVolumes`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Volumes {
    #[serde(default)]
    volume_set: Items<VolumeReply>,
    next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct VolumeReply {
    volume_id: String,
    status: String,
    #[serde(default)]
    tag_set: Items<Tag>,
}

impl Volumes {
    pub fn page(self) -> (Vec<Part>, Option<String>) {
        let there = self.volume_set.items.into_iter().filter(|volume| volume.status != "deleting");
        let part = |volume: VolumeReply| Part {
            id: volume.volume_id,
            free: volume.status == "available",
            tags: tags(volume.tag_set),
        };
        (there.map(part).collect(), present(self.next_token))
    }
}

/// `DescribeNetworkInterfaces`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Interfaces {
    #[serde(default)]
    network_interface_set: Items<InterfaceReply>,
    next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct InterfaceReply {
    network_interface_id: String,
    status: String,
    #[serde(default)]
    tag_set: Items<Tag>,
}

impl Interfaces {
    pub fn page(self) -> (Vec<Part>, Option<String>) {
        let part = |interface: InterfaceReply| Part {
            id: interface.network_interface_id,
            free: interface.status == "available",
            tags: tags(interface.tag_set),
        };
        (self.network_interface_set.map(part), present(self.next_token))
    }
}

/// `DescribeRegions`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Regions {
    #[serde(default)]
    region_info: Items<RegionReply>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RegionReply {
    region_name: String,
}

impl Regions {
    pub fn names(self) -> Vec<String> {
        self.region_info.map(|region| region.region_name)
    }
}

/// `GetCallerIdentity`.
#[derive(Debug, Deserialize)]
pub struct Identity {
    #[serde(rename = "GetCallerIdentityResult")]
    result: IdentityResult,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct IdentityResult {
    arn: String,
    account: String,
}

impl Identity {
    pub fn caller(self) -> Caller {
        Caller { account: self.result.account, arn: self.result.arn }
    }
}

/// `GetParameter` of the parameter store, in JSON.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ParameterReply {
    pub parameter: Parameter,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Parameter {
    pub value: String,
}
