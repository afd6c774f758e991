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
    PROVIDER_NOT_AVAILABLE = "CFG-005", Config, "this build has no such provider";
    NOT_CONFIRMED = "CFG-006", Config, "`destroy` was not confirmed";
    STATE_UNUSABLE = "PRE-001", Preflight, "the state directory cannot be read or written";
    NO_CLUSTER = "PRE-003", Preflight, "there is no cluster yet, or it is stopped";
    NO_SUCH_RUN = "PRE-004", Preflight, "no run of that name was recorded";
    KUBECONFIG_UNUSABLE = "PRE-005", Preflight, "a kubeconfig cannot be read or merged";
    NO_SUCH_TARGET = "PRE-006", Preflight, "no node or workload of that name";
    REHEARSAL_NOT_STARTED = "PRV-001", Provider, "the rehearsal process did not start";
    REHEARSAL_NOT_ANSWERING = "PRV-002", Provider, "the rehearsal process does not answer";
    MACHINE_NOT_CREATED = "PRV-003", Provider, "a machine could not be created";
    LEFT_BEHIND = "PRV-004", Provider, "something of the cluster is still there after `destroy`";
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
    UNIT_FAILED = "K3S-001", K3s, "the K3s unit of a machine failed";
    API_NOT_READY = "K3S-002", K3s, "the Kubernetes API does not become ready";
    NODE_NEVER_JOINED = "K3S-003", K3s, "a node did not join the cluster";
    NODE_NOT_READY = "K3S-004", K3s, "a node joined and does not become Ready";
    ADDON_NOT_READY = "K3S-005", K3s, "a packaged add-on does not become ready";
    API_REQUEST_FAILED = "K3S-006", K3s, "the Kubernetes API refused or did not answer a request";
    NODE_HOLDS_DATA = "K3S-007", K3s, "a node that is no longer wanted holds a volume";
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
    BUG = "BUG-001", Bug, "the orchestrator did something it should not";
    INTERRUPTED = "INT-001", Interrupted, "interrupted by Ctrl-C or SIGTERM";
}
