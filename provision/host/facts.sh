# Says what this machine is, one `key value` a line, after vitals.sh. Changes nothing.
has() { command -v "$1" >/dev/null 2>&1; }

say arch "$(uname -m)"
say hostname "$(uname -n)"
say machine-id "$(cat /etc/machine-id 2>/dev/null)"
# shellcheck disable=SC1091 # a file of the machine
say os "$(. /etc/os-release 2>/dev/null && echo "$PRETTY_NAME")"
say cpus "$(getconf _NPROCESSORS_ONLN)"
say init "$(cat /proc/1/comm)"
while read -r key value _; do [ "$key" != btime ] || say booted "$value"; done </proc/stat
while read -r key value _; do
    case $key in
        MemTotal:) say memory-kib "$value" ;;
        SwapTotal:) say swap-kib "$value" ;;
    esac
done </proc/meminfo
for program in systemctl journalctl ip ss sha256sum base64 mktemp flock; do
    has "$program" || say missing "$program"
done
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
    say cgroups "$(cat /sys/fs/cgroup/cgroup.controllers)"
else
    say cgroups "$(while read -r name _ _ enabled; do [ "$enabled" != 1 ] || printf '%s ' "$name"; done </proc/cgroups)"
fi
ip -o route show default 2>/dev/null | while read -r _ route; do say default-route "$route"; done
# For each port of K3s that somebody listens on: who it is.
ss -Hltnp 2>/dev/null | while read -r _ _ _ address _ by; do
    case ${address##*:} in
        6443 | 6444 | 10250 | 2379 | 2380) by=${by#*\"} && say listening "${address##*:} ${by%%\"*}" ;;
    esac
done
for firewall in ufw firewalld; do
    if has "$firewall" && [ "$(systemctl is-active "$firewall" 2>/dev/null)" = active ]; then
        [ "$firewall" != ufw ] || ufw status 2>/dev/null | grep -q 'Status: active' || continue
        say firewall "$firewall"
    fi
done
if [ -d /run/cloud-init ] && [ -d /var/lib/cloud/instance ] && [ ! -e /var/lib/cloud/instance/boot-finished ]; then
    say cloud-init running
fi
[ ! -d /var/lib/rancher/k3s/server/db ] || say data server
[ ! -d /var/lib/rancher/k3s/agent ] || say data agent
[ ! -f /etc/rancher/k3s/orchestrator-cluster ] || say cluster "$(head -n 1 /etc/rancher/k3s/orchestrator-cluster)"
for unit in k3s k3s-agent; do
    file=/etc/systemd/system/$unit.service
    [ -f "$file" ] || continue
    if grep -q '^# Written by orchestrator' "$file"; then say unit "$unit ours"; else say unit "$unit foreign"; fi
    say active "$unit $(systemctl is-active "$unit" 2>/dev/null)"
    # By whomever: a command of ours that was cut off, a hand, or systemd after a crash.
    started=$(TZ=UTC systemctl show -p ExecMainStartTimestamp --value "$unit" 2>/dev/null)
    [ -z "$started" ] || say started "$(date -d "$started" +%s 2>/dev/null)"
    say started "$(cat "/run/orchestrator-$unit-started" 2>/dev/null)"
done
[ ! -f /etc/rancher/k3s/orchestrator-started-with ] ||
    say started-with "$(cat /etc/rancher/k3s/orchestrator-started-with)"
config=/etc/rancher/k3s/config.yaml
[ ! -f "$config" ] || say joined "$(sed -n 's/^server: //p' "$config" | tr -d \"\')"
# What is on the disk of the files that were put here: small ones by content, large ones by the stamp made then.
set --
for file in /etc/rancher/k3s/* /etc/rancher/k3s/config.yaml.d/* /etc/systemd/system/k3s.service \
    /etc/systemd/system/k3s-agent.service; do
    [ ! -f "$file" ] || set -- "$@" "$file"
done
[ $# = 0 ] || stat -c '%a %n' "$@" | {
    sha256sum "$@" | while read -r sum file; do
        read -r mode same <&3
        [ "$same" != "$file" ] || say file "$mode $sum $file"
    done
} 3<&0
[ ! -f /var/lib/rancher/orchestrator-stamps ] || while read -r mode sum stamp file; do
    [ "$(stat -c %s,%Y,%i "$file" 2>/dev/null)" = "$stamp" ] && say file "$mode $sum $file"
done </var/lib/rancher/orchestrator-stamps
true
