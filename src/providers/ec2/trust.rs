//! Who a machine is, and who may enter it: every key is derived from the one that opens the cluster's machines, so that
//! the first packet is verified, and a lost state directory loses no trust.

use std::{fs, path::PathBuf, rc::Rc, time::Duration};

use tokio::time::{Instant, sleep};

use super::{
    Ec2Provider,
    make::boot_label,
    record::{Made, Node, unusable},
};
use crate::{
    config::ReachedBy,
    effects::{
        ec2::Instance,
        remote_host::RemoteHost,
        ssh::{As, KeyPair, Ssh, SshUser, Surroundings, Target, ask::Nobody},
        state_directory::write_private,
    },
    failure::{Failure, HOST_COMMAND_FAILED, LOGIN_REFUSED},
    providers::OnSeen,
};

const OWN_HOST_KEY: &str = include_str!("../../../provision/ec2/own-host-key.sh");
/// How long an instance may take from having power to letting somebody in.
const FIRST_LOGIN: Duration = Duration::from_secs(300);

impl Ec2Provider {
    /// Returns the address by which an instance is reached from here.
    pub(super) fn address(&self, instance: &Instance) -> Option<String> {
        match self.section.address {
            ReachedBy::Public => instance.public_address.clone(),
            ReachedBy::Private => instance.private_address.clone(),
        }
    }

    /// Has SSH know the host keys of these machines, where there is a state directory.
    pub(super) fn introduce(&self, nodes: &[Node]) -> Result<(), Failure> {
        let Some(key) = self.key().read().filter(|_| self.directory.exists()) else { return Ok(()) };
        let made = self.record.decided()?.made;
        let folder = self.record.folder().join("known_hosts");
        fs::create_dir_all(&folder).map_err(|error| unusable("make", &folder, &error))?;
        for node in nodes {
            let Some(address) = self.address(&node.instance) else { continue };
            let mut lines = line(&address, &key.derive(&own_label(&node.instance.id)));
            if !made.get(&node.instance.id).is_some_and(|made| made.own_key) {
                lines += &line(&address, &key.derive(&boot_label(&node.instance.token)));
            }
            let path = self.known_hosts(node);
            if fs::read_to_string(&path).is_ok_and(|known| known == lines) {
                continue;
            }
            write_private(&path, &lines).map_err(|error| unusable("write", &path, &error))?;
        }
        Ok(())
    }

    fn known_hosts(&self, node: &Node) -> PathBuf {
        self.record.folder().join("known_hosts").join(&node.instance.id)
    }

    /// Returns the machine over SSH; one whose address changed is another.
    pub(super) fn remote(&self, node: &Node) -> Rc<RemoteHost> {
        let address = self.address(&node.instance).unwrap_or_default();
        let mut hosts = self.hosts.borrow_mut();
        let made = hosts.entry((node.instance.id.clone(), address.clone())).or_insert_with(|| {
            let target = Target {
                name: node.name.clone(),
                address,
                user: Some(self.section.user.clone()),
                port: Some(22),
                key: Some(self.key().path().to_owned()),
            };
            let surroundings = Surroundings::apart(self.directory.path(), self.known_hosts(node));
            Rc::new(RemoteHost::new(Rc::new(Ssh::new(SshUser::new(surroundings, Box::new(Nobody)), target))))
        });
        made.clone()
    }

    /// Waits until a machine lets its first visitor in, who gives it a host key of its own: the one it booted with is
    /// known to whoever can read its user data. Returns whether that was to be done.
    pub(super) async fn trust(&self, node: &Node, seen: OnSeen<'_>) -> Result<bool, Failure> {
        let id = &node.instance.id;
        if self.record.decided()?.made.get(id).is_some_and(|made| made.own_key) {
            return Ok(false);
        }
        let Some(key) = self.key().read() else { return Ok(false) };
        self.log_in_first(node, &key.derive(&own_label(id)), seen).await?;
        self.record.decide(|decided| {
            let new = Made { machine: node.name.clone(), at: 0, own_key: true };
            decided.made.entry(id.clone()).or_insert(new).own_key = true;
        })?;
        self.introduce(std::slice::from_ref(node))?;
        self.hosts.borrow_mut().retain(|(instance, _), _| instance != id); // it shows another key from now on
        Ok(true)
    }

    async fn log_in_first(&self, node: &Node, own: &KeyPair, seen: OnSeen<'_>) -> Result<(), Failure> {
        let end = Instant::now() + FIRST_LOGIN;
        let remote = self.remote(node);
        loop {
            let input = own.private.as_bytes().to_vec();
            let failure = match remote.ssh().run(As::Root, OWN_HOST_KEY, input).await {
                Ok(output) if output.ended.ok() => return Ok(()),
                Ok(output) => {
                    let what = format!("machine `{}` cannot be given a host key of its own", node.name);
                    let failure = Failure::new(&HOST_COMMAND_FAILED, what).because(&output.ended);
                    return Err(failure
                        .output(String::from_utf8_lossy(&output.stderr))
                        .hint(format!("./orchestrator ssh {}", node.name)));
                }
                Err(error) => remote.ssh().failure(&error),
            };
            // The server may listen before cloud-init has let the key in.
            let passes = failure.may_pass() || failure.id == LOGIN_REFUSED.id;
            if !passes || Instant::now() > end {
                return Err(failure);
            }
            seen(failure.because.first().map_or("it does not answer yet", String::as_str));
            sleep(self.pace.knock).await;
        }
    }
}

fn own_label(instance: &str) -> String {
    format!("host key of {instance}")
}

fn line(address: &str, key: &KeyPair) -> String {
    let words: Vec<_> = key.public.splitn(3, ' ').take(2).collect();
    format!("{address} {}\n", words.join(" "))
}
