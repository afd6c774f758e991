//! Every failure the program can end with: one stable id each, listed in the README.

use super::Kind;

/// One line of the catalogue.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// Stable id, never reused.
    pub id: &'static str,
    pub kind: Kind,
    /// What it means, for the README.
    pub meaning: &'static str,
}

macro_rules! catalogue {
    ($($name:ident = $id:literal, $kind:ident, $meaning:literal;)*) => {
        $(pub const $name: Entry = Entry { id: $id, kind: Kind::$kind, meaning: $meaning };)*
        /// Every entry, in the order of the README's table.
        pub const CATALOGUE: &[Entry] = &[$($name),*];
    };
}

catalogue! {
    CONFIG_NOT_FOUND = "CFG-002", Config, "no `orchestrator.toml` here or in a parent folder";
    CONFIG_INVALID = "CFG-003", Config, "`orchestrator.toml` has problems";
    MANIFEST_INVALID = "CFG-004", Config, "a stack's manifest cannot be read";
    NOT_CONFIRMED = "CFG-006", Config, "`destroy` was not confirmed";
    VAGRANTFILE_REFUSED = "CFG-007", Config, "Vagrant does not accept what `[vagrant]` says, or its `extra` lines";
    PROVIDER_FIXED = "CFG-008", Config, "the cluster was made by another provider, or its machines by another hypervisor";
    CHECK_INVALID = "CFG-009", Config, "a stack's check names what the stack does not have";
    STATE_UNUSABLE = "PRE-001", Preflight, "the state directory cannot be read or written";
    NO_CLUSTER = "PRE-003", Preflight, "there is no cluster yet, or it is stopped";
    NO_SUCH_RUN = "PRE-004", Preflight, "no run of that name was recorded";
    KUBECONFIG_UNUSABLE = "PRE-005", Preflight, "a kubeconfig cannot be read or merged";
    NO_SUCH_TARGET = "PRE-006", Preflight, "no node or workload of that name";
    ARTIFACTS_UNUSABLE = "PRE-007", Preflight, "the files of the K3s release are not to be had, or are damaged";
    DOWNLOAD_FAILED = "PRE-008", Preflight, "K3s cannot be fetched from its server";
    RELEASE_UNKNOWN = "PRE-009", Preflight, "the server has no K3s release of that version, or not for that processor";
    HOST_UNSUITABLE = "PRE-010", Preflight, "a machine cannot run K3s: no systemd, another processor, missing programs";
    CGROUPS_MISSING = "PRE-011", Preflight, "a machine's kernel has cgroup controllers switched off";
    CLOCK_WRONG = "PRE-012", Preflight, "a machine's clock is more than 30 s off";
    DISK_FULL = "PRE-013", Preflight, "a machine's disk is full, or nearly";
    NODE_ADDRESS_MISSING = "PRE-014", Preflight, "a machine has no address or no default route";
    PORT_TAKEN = "PRE-015", Preflight, "a port that K3s needs is taken by another program";
    K3S_FOREIGN = "PRE-016", Preflight, "a machine has a K3s that is not of this cluster";
    MACHINE_TWICE = "PRE-017", Preflight, "two machines are one, or were cloned with their identity";
    DOWNLOAD_DAMAGED = "PRE-018", Preflight, "a file that was fetched is not what the release says it is";
    CACHE_UNUSABLE = "PRE-019", Preflight, "the user's cache directory cannot be used, or is full";
    VAGRANT_MISSING = "PRE-020", Preflight, "Vagrant, its plugin or its hypervisor is not installed";
    LIBVIRT_NOT_USABLE = "PRE-021", Preflight, "libvirt does not answer, or not to this user";
    VIRTUALIZATION_MISSING = "PRE-022", Preflight, "this computer's processor cannot run virtual machines, or not for this user";
    COMPUTER_TOO_SMALL = "PRE-023", Preflight, "this computer has too little memory or disk for the virtual machines";
    NETWORK_TAKEN = "PRE-024", Preflight, "the network of the virtual machines is in use";
    BOX_NOT_FOUND = "PRE-025", Preflight, "the box of the virtual machines is not to be had, or is damaged";
    STORAGE_POOL_MISSING = "PRE-026", Preflight, "libvirt has no storage pool of that name";
    REPORT_NOT_WRITTEN = "PRE-027", Preflight, "a report of checks cannot be written";
    REHEARSAL_NOT_STARTED = "PRV-001", Provider, "the rehearsal process did not start";
    REHEARSAL_NOT_ANSWERING = "PRV-002", Provider, "the rehearsal process does not answer";
    MACHINE_NOT_CREATED = "PRV-003", Provider, "a machine could not be created";
    LEFT_BEHIND = "PRV-004", Provider, "something of the cluster is still there after `destroy`";
    NO_SHELL = "PRV-005", Provider, "the machines of this provider have no shell";
    VAGRANT_FAILED = "PRV-006", Provider, "Vagrant failed";
    VM_NOT_BOOTED = "PRV-007", Provider, "a virtual machine does not boot, or gets no address";
    VAGRANT_BUSY = "PRV-008", Provider, "another Vagrant works on the same virtual machine";
    VM_FOREIGN = "PRV-009", Provider, "a virtual machine is there that Vagrant does not know, or that another program made";
    AWS_CREDENTIALS = "EC2-001", Preflight, "there are no AWS credentials, or AWS does not take them";
    AWS_REGION_MISSING = "EC2-002", Preflight, "no AWS region is chosen";
    AWS_CLOCK = "EC2-003", Preflight, "this computer's clock is so wrong that AWS takes no signature of it";
    AWS_NOT_ALLOWED = "EC2-004", Preflight, "an IAM permission is missing";
    AWS_NOT_ANSWERING = "EC2-005", Provider, "AWS does not answer, or something else does";
    AWS_REFUSED = "EC2-006", Provider, "AWS refused a request";
    EC2_QUOTA = "EC2-007", Provider, "a quota of the AWS account is used up";
    EC2_CAPACITY = "EC2-008", Provider, "AWS has no such instances left where they were asked for";
    EC2_SETTING = "EC2-009", Config, "`[ec2]` names an image, an instance type or a subnet that is not there or does not fit";
    EC2_SPOT_STOP = "EC2-010", Provider, "spot instances cannot be stopped";
    EC2_CLUSTER_UNCLEAR = "EC2-011", Provider, "several clusters in the account have this name, or another's has it";
    EC2_INSTANCE_ENDED = "EC2-012", Provider, "an instance ended instead of starting, or does not change its state";
    EC2_KEY_MISSING = "EC2-013", Provider, "the key that opens the machines of a cluster is not on this computer";
    EC2_CALLER_UNKNOWN = "EC2-014", Provider, "the address that this computer has on the internet cannot be found";
    MACHINE_NOT_ANSWERING = "SSH-001", Ssh, "a machine does not answer";
    HOST_KEY_UNKNOWN = "SSH-002", Ssh, "a machine's host key is not known, and nobody confirmed it";
    HOST_KEY_CHANGED = "SSH-003", Ssh, "a machine shows another host key than before";
    HOST_KEY_REVOKED = "SSH-004", Ssh, "a machine's host key is revoked";
    LOGIN_REFUSED = "SSH-005", Ssh, "a machine takes none of the keys";
    NOT_ROOT = "SSH-006", Ssh, "the login user cannot become root";
    CONNECTION_LOST = "SSH-007", Ssh, "the connection to a machine was lost, twice";
    FORWARDING_REFUSED = "SSH-008", Ssh, "a machine opens no connection for this side";
    SSH_SETTINGS = "SSH-009", Ssh, "the SSH configuration or a known_hosts file cannot be used";
    SCRIPT_NOT_RUN = "SSH-010", Ssh, "a machine did not run what it was given, or not in time";
    TRANSFER_FAILED = "SSH-011", Ssh, "a file did not arrive on a machine";
    HANDSHAKE_CUT = "SSH-012", Ssh, "a machine answers and ends the SSH handshake";
    HOST_COMMAND_FAILED = "SSH-013", Ssh, "a command that was run on a machine failed";
    UNIT_FAILED = "K3S-001", K3s, "the K3s unit of a machine failed";
    API_NOT_READY = "K3S-002", K3s, "the Kubernetes API does not become ready";
    NODE_NEVER_JOINED = "K3S-003", K3s, "a node did not join the cluster";
    NODE_NOT_READY = "K3S-004", K3s, "a node joined and does not become Ready";
    ADDON_NOT_READY = "K3S-005", K3s, "a packaged add-on does not become ready";
    API_REQUEST_FAILED = "K3S-006", K3s, "the Kubernetes API refused or did not answer a request";
    NODE_HOLDS_DATA = "K3S-007", K3s, "a node that is no longer wanted holds a volume";
    TOKEN_REJECTED = "K3S-010", K3s, "the server refused a node's token";
    WRONG_CA = "K3S-011", K3s, "the server that answers a node has another CA than the cluster";
    NODE_PASSWORD_REJECTED = "K3S-012", K3s, "the cluster knows another machine by a node's name";
    SERVER_NOT_REACHABLE = "K3S-013", K3s, "a node does not reach the server's port 6443";
    DATASTORE_FOREIGN = "K3S-014", K3s, "a server holds the data of a cluster with another token";
    SETTING_REFUSED = "K3S-015", K3s, "K3s does not know a setting";
    ETCD_TOO_MANY_LEARNERS = "K3S-016", K3s, "two servers join etcd at the same moment";
    ETCD_MEMBER_REMOVED = "K3S-017", K3s, "a server was removed from etcd and holds old data";
    ETCD_NO_QUORUM = "K3S-018", K3s, "etcd has no majority of its servers";
    BINARY_NOT_RUNNABLE = "K3S-019", K3s, "the K3s binary of a machine cannot be run";
    OUT_OF_MEMORY = "K3S-020", K3s, "the kernel ended K3s for want of memory";
    NETWORK_NOT_READY = "K3S-021", K3s, "the pod network of a node is not set up";
    UPGRADE_REFUSED = "K3S-022", K3s, "a change of the K3s version that K3s does not support";
    QUORUM_AT_RISK = "K3S-023", K3s, "removing or restarting a server would cost etcd its majority";
    DRAIN_STUCK = "K3S-024", K3s, "a node's pods cannot be moved away";
    CONTEXT_UNUSABLE = "IMG-001", Image, "the folder that an image is built from has no Dockerfile, or cannot be read";
    BUILDER_MISSING = "IMG-002", Image, "no program on this computer can build images";
    IMAGE_NOT_BUILT = "IMG-003", Image, "an image cannot be built";
    IMAGES_UNUSABLE = "IMG-004", Image, "built images cannot be kept on this computer, or read there";
    IMAGE_NOT_PUSHED = "IMG-005", Image, "an image cannot be pushed to its registry";
    IMAGE_NOT_DELIVERED = "IMG-006", Image, "a node does not have an image that was delivered to it";
    NO_SUCH_IMAGE = "IMG-007", Image, "the configuration builds no image of that name";
    IMAGE_NOT_PULLED = "DEP-001", Deploy, "a pod's image cannot be pulled";
    CONTAINER_CRASHES = "DEP-002", Deploy, "a container ends again and again";
    POD_UNSCHEDULABLE = "DEP-003", Deploy, "no node can take a pod";
    POD_NOT_READY = "DEP-004", Deploy, "a pod runs and its readiness probe fails";
    CONTAINER_CONFIG = "DEP-005", Deploy, "a container cannot be made: a Secret, ConfigMap or key is missing";
    OBJECT_REFUSED = "DEP-006", Deploy, "the cluster refused an object";
    JOB_FAILED = "DEP-007", Deploy, "a job failed";
    ROLLOUT_INCOMPLETE = "DEP-008", Deploy, "a workload's rollout did not complete in time";
    NO_SUCH_STACK = "DEP-009", Deploy, "the configuration has no stack of that name";
    VOLUME_NOT_BOUND = "DEP-010", Deploy, "a pod waits for a volume that nothing provides";
    DEADLINE_PASSED = "TIM-001", Deadline, "`--timeout` passed";
    LOCKED = "LCK-001", Locked, "another run works on this cluster";
    DOWNLOAD_LOCKED = "LCK-002", Locked, "another run fetches the same release and gets no further";
    BUG = "BUG-001", Bug, "the orchestrator did something it should not";
    INTERRUPTED = "INT-001", Interrupted, "interrupted by Ctrl-C or SIGTERM";
}
