# Ends every container of K3s, in time (25 s) or by force, and takes away the network interfaces, mounts and firewall
# rules that they used: what
# `k3s-killall.sh` does. K3s itself must be stopped.
PATH=$PATH:/usr/sbin:/sbin:/usr/local/bin
shims() {
    for process in /proc/[0-9]*; do
        tr '\0' ' ' <"$process/cmdline" 2>/dev/null | grep -q '^[^ ]*containerd-shim[^ ]* .*/run/k3s/' && echo "${process#/proc/}"
    done
}
family() {
    for parent in "$@"; do
        echo "$parent"
        # shellcheck disable=SC2046 # a list of processes
        family $(cat "/proc/$parent/task/$parent/children" 2>/dev/null)
    done
}
containers() {
    for shim in $(shims); do cat "/proc/$shim/task/$shim/children"; done 2>/dev/null
}
running=$(containers)
if [ -n "$running" ]; then
    # shellcheck disable=SC2086 # a list of processes
    kill -TERM $running 2>/dev/null
    for _ in $(seq 250); do
        [ -n "$(containers)" ] || break
        sleep 0.1
    done
fi
# shellcheck disable=SC2046 # a list of processes
processes=$(family $(shims))
if [ -n "$processes" ]; then
    echo changed
    # shellcheck disable=SC2086 # a list of processes
    kill -9 $processes 2>/dev/null
fi
mounted() {
    while read -r _ place _; do
        case $place in /run/k3s* | /var/lib/rancher/k3s* | /var/lib/kubelet/* | /run/netns/cni-*) echo "$place" ;; esac
    done </proc/self/mounts | sort -r
}
mounted | while read -r place; do umount -l "$place" 2>/dev/null; done
for space in /run/netns/cni-*; do
    [ ! -e "$space" ] || ip netns delete "${space##*/}" 2>/dev/null
done
for nic in $(ip -o link show master cni0 2>/dev/null | while read -r _ name _; do echo "${name%%[@:]*}"; done); do
    ip link delete "$nic" 2>/dev/null
done
for nic in cni0 flannel.1 flannel-v6.1 kube-ipvs0 flannel-wg flannel-wg-v6; do
    [ ! -e "/sys/class/net/$nic" ] || { ip link delete "$nic" && echo changed; }
done
rm -rf /var/lib/cni
# Flannel's rules have no comment up to K3s v1.22: they are known by the network of the pods.
rules='KUBE-|CNI-|flannel'
networks=$(sed -n 's/\./\\./g; s/^FLANNEL_\(IPV6_\)\{0,1\}NETWORK=//p' /run/flannel/subnet.env 2>/dev/null | paste -s -d '|')
[ -z "$networks" ] || rules="$rules|^-A (FORWARD|POSTROUTING) (! )?-[sd] ($networks) "
for tables in iptables ip6tables; do
    command -v "$tables-save" >/dev/null 2>&1 || continue
    "$tables-save" 2>/dev/null | grep -qE -e "$rules" || continue
    "$tables-save" | grep -vE -e "$rules" | "$tables-restore" && echo changed
done
true
