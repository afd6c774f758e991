# Removes K3s and everything that was put here for it, and nothing else. Its units are stopped and its pods ended.
[ -e /etc/rancher/k3s ] || [ -e /var/lib/rancher ] || [ -e /usr/local/bin/k3s ] && echo changed
for unit in k3s k3s-agent; do
    file=/etc/systemd/system/$unit.service
    [ -f "$file" ] || continue
    # What a run had begun that was cut off may have started it since it was stopped.
    case $(systemctl is-active "$unit") in
        inactive | failed) ;;
        *) systemctl kill -s KILL "$unit"; systemctl stop "$unit" ;;
    esac
    systemctl disable --quiet "$unit" 2>/dev/null
    rm -f "$file"
    systemctl reset-failed "$unit" 2>/dev/null
done
systemctl daemon-reload
for link in kubectl crictl ctr; do
    [ "$(readlink "/usr/local/bin/$link")" != k3s ] || rm -f "/usr/local/bin/$link"
done
# The kubelet may have mounted its folder on itself.
while read -r _ _ _ root place _; do
    case $place in /var/lib/kubelet | /var/lib/rancher/k3s/*) [ "$root" != "$place" ] || umount -l "$place" ;; esac
done </proc/self/mountinfo
# Removes a folder; of one that is a disk of its own, what is in it.
clear_away() {
    if mountpoint -q "$1"; then find "$1" -xdev -mindepth 1 -delete; else rm -rf "$1"; fi
}
clear_away /var/lib/kubelet && clear_away /var/lib/rancher/k3s || exit 1
rm -rf /usr/local/bin/k3s /usr/local/bin/.orchestrator.* /usr/local/bin/k3s-killall.sh /usr/local/bin/k3s-uninstall.sh \
    /usr/local/bin/k3s-agent-uninstall.sh /usr/local/bin/.k3s.part.* /etc/rancher/node /run/k3s /run/flannel \
    /run/orchestrator-k3s-started /run/orchestrator-k3s-agent-started /var/lib/rancher/orchestrator-stamps /var/lib/cni \
    /var/log/containers /var/log/pods || exit 1
# What says whose machine it is goes last: a removal that was cut off, or that something stood in the way of, is finished
# by the next.
rm -rf /etc/rancher/k3s
plugins=/usr/libexec/kubernetes/kubelet-plugins
rmdir $plugins/volume/exec $plugins/volume $plugins ${plugins%/*} /run/netns \
    /etc/rancher /var/lib/rancher /etc/cni/net.d /etc/cni 2>/dev/null
true
