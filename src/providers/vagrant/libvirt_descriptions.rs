//! What libvirt and its plugin for Vagrant say in XML and in names.

use std::{fs, net::Ipv4Addr, path::Path};

use ipnet::Ipv4Net;
use serde::Deserialize;

/// What Vagrant writes for a slash in the name of a box.
const SLASH: &str = "-VAGRANTSLASH-";

/// How the plugin calls the image of a box in the pool: `<box>_vagrant_box_image_<version>_<..>.img`.
pub fn image_prefix(from: &str) -> String {
    format!("{}_vagrant_box_image_", from.replace('/', SLASH))
}

/// Returns the version of the box that an image is of.
pub fn image_version<'i>(from: &str, image: &'i str) -> Option<&'i str> {
    image.strip_prefix(&image_prefix(from))?.split('_').next()
}

/// Returns the size of the image that Vagrant unpacked from a box, in bytes.
pub fn size_in_box(vagrant_home: &Path, from: &str, version: &str) -> Option<u64> {
    let folder = vagrant_home.join("boxes").join(from.replace('/', SLASH)).join(version);
    let pattern = format!("{}/**/box.img", glob::Pattern::escape(folder.to_str()?));
    let image = glob::glob(&pattern).ok()?.find_map(Result::ok)?;
    fs::metadata(image).ok().map(|metadata| metadata.len())
}

/// A disk as libvirt describes it (<https://libvirt.org/formatstorage.html>).
#[derive(Deserialize)]
struct Volume {
    physical: Option<String>,
}

/// Reads how many bytes a disk has on this computer.
pub fn physical(description: &str) -> Option<u64> {
    quick_xml::de::from_str::<Volume>(description).ok()?.physical?.trim().parse().ok()
}

/// A network as libvirt describes it (<https://libvirt.org/formatnetwork.html>).
#[derive(Deserialize)]
struct Described {
    #[serde(default)]
    ip: Vec<Ip>,
}

#[derive(Deserialize)]
struct Ip {
    #[serde(rename = "@address")]
    address: Option<Ipv4Addr>,
    #[serde(rename = "@netmask")]
    netmask: Option<Ipv4Addr>,
    #[serde(rename = "@prefix")]
    prefix: Option<u8>,
}

/// Reads the addresses of a network.
pub fn addresses(description: &str) -> Option<Ipv4Net> {
    let described: Described = quick_xml::de::from_str(description).ok()?;
    let net = |ip: &Ip| match (ip.netmask, ip.prefix) {
        (Some(netmask), _) => Ipv4Net::with_netmask(ip.address?, netmask).ok(),
        (None, prefix) => Ipv4Net::new(ip.address?, prefix.unwrap_or(24)).ok(),
    };
    described.ip.iter().find_map(net).map(|net| net.trunc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_held_against_the_box_that_it_is_of() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("boxes/rig-VAGRANTSLASH-debian12/0/libvirt");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("box.img"), b"12345").unwrap();
        let image = "rig-VAGRANTSLASH-debian12_vagrant_box_image_0_1795273757_box.img";
        let version = image_version("rig/debian12", image).unwrap();
        assert_eq!(size_in_box(home.path(), "rig/debian12", version), Some(5));
        assert_eq!(image_version("rig/debian", image), None);
        let text = "<volume type='file'><name>x</name><capacity unit='bytes'>9</capacity><physical unit='bytes'>4</physical></volume>";
        assert_eq!(physical(text), Some(4));
    }

    #[test]
    fn a_network_says_its_addresses() {
        let text = "<network connections='1'>\n <name>0a-shop</name>\n <bridge name='virbr2' stp='on' delay='0'/>\n \
                    <ip address='192.168.58.1' netmask='255.255.255.0'>\n </ip>\n</network>\n";
        assert_eq!(addresses(text), "192.168.58.0/24".parse().ok());
        assert_eq!(addresses("<network><name>x</name></network>"), None);
        assert_eq!(addresses(""), None);
    }
}
