#!/bin/sh
# Vagrant runs this as root after every boot: trust.sh <public key of the cluster> <name of the machine>
# The cluster's key is the only one that opens the machine, the machine has host keys of its own (boxes share theirs), and
# says which. Repeating it changes nothing.
set -eu
key=$1 name=$2
tell() { printf 'orchestrator: %s\n' "$*"; }

login=${SUDO_USER:-vagrant}
home=$(getent passwd "$login" | cut -d: -f6)
if [ "$(cat "$home/.ssh/authorized_keys" 2>/dev/null)" != "$key" ]; then
    mkdir -p "$home/.ssh"
    printf '%s\n' "$key" >"$home/.ssh/authorized_keys.new"
    chmod 700 "$home/.ssh"
    chmod 600 "$home/.ssh/authorized_keys.new"
    chown -R "$login:" "$home/.ssh"
    mv "$home/.ssh/authorized_keys.new" "$home/.ssh/authorized_keys"
fi

if [ ! -e /etc/ssh/orchestrator-host-key ]; then
    rm -f /etc/ssh/ssh_host_*
    ssh-keygen -q -t ed25519 -N '' -C "$name" -f /etc/ssh/ssh_host_ed25519_key
    touch /etc/ssh/orchestrator-host-key
fi
if [ -z "$(find /run -maxdepth 1 -name orchestrator-host-key)" ]; then
    # An interrupted run may have left a server that still shows the box's key.
    systemctl restart ssh 2>/dev/null || systemctl restart sshd
    touch /run/orchestrator-host-key
fi

if [ "$(cat /etc/hostname)" != "$name" ] || [ "$(uname -n)" != "$name" ]; then
    printf '%s\n' "$name" >/etc/hostname
    hostname "$name"
fi
grep -qw "$name" /etc/hosts || printf '127.0.1.1 %s\n' "$name" >>/etc/hosts

# The disk that was asked for, where the box brings the programs that grow it.
root=$(findmnt -no SOURCE /)
disk=/dev/$(lsblk -ndo PKNAME "$root" 2>/dev/null || true)
if [ "$disk" != /dev/ ] && command -v growpart >/dev/null 2>&1; then
    number=$(cat "/sys/class/block/${root#/dev/}/partition")
    if growpart "$disk" "$number" >/dev/null 2>&1; then resize2fs "$root" >/dev/null 2>&1 || xfs_growfs / >/dev/null; fi
fi

tell "host-key $(cut -d' ' -f1-2 /etc/ssh/ssh_host_ed25519_key.pub)"
ip -o -4 address show scope global | while read -r _ nic _ address _; do
    tell "address $nic ${address%/*}"
done
