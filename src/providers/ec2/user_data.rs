//! What an instance is told at its first boot: who may log in, and the host key to show until it gets its own.

use crate::effects::ssh::KeyPair;

const CLOUD_CONFIG: &str = include_str!("../../../provision/ec2/cloud-config.yaml");
const EXPIRY: &str = include_str!("../../../provision/ec2/expiry.yaml");

/// Returns the cloud-config of instances. `login` is a line of an authorized_keys file; `expires` is in seconds since 1970.
pub fn user_data(login: &str, host_key: &KeyPair, expires: Option<i64>) -> String {
    let indented = host_key.private.trim_end().replace('\n', "\n    ");
    let text = CLOUD_CONFIG.replace("@LOGIN@", login).replace("@HOST_KEY@", &indented);
    let text = text.replace("@HOST_KEY_PUBLIC@", &host_key.public);
    match expires {
        Some(seconds) => text + &EXPIRY.replace("@EXPIRES@", &seconds.to_string()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_yaml_with_both_keys_and_nothing_else_secret() {
        let (login, host) = (KeyPair::new("shop"), KeyPair::new("boot"));
        for expires in [None, Some(1_800_000_000)] {
            let text = user_data(&login.public, &host, expires);
            assert!(text.starts_with("#cloud-config\n") && text.len() < 16 << 10);
            let value: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
            assert_eq!(value["ssh_authorized_keys"][0], login.public.as_str());
            assert_eq!(value["ssh_keys"]["ed25519_private"].as_str().unwrap().trim(), host.private.trim());
            assert_eq!(value["ssh_keys"]["ed25519_public"], host.public.as_str());
            assert_eq!(value["ssh_pwauth"], false);
            assert_eq!(value["write_files"].is_array(), expires.is_some());
            assert!(!text.contains('@') || expires.is_some());
        }
        assert!(user_data("k", &host, Some(7)).contains("OnCalendar=@7"));
    }
}
