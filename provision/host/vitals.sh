# Says what time it is, what room is left and what its addresses are, one `key value` a line. It comes before facts.sh
# and probe.sh, which use `say` too.
LC_ALL=C
PATH=$PATH:/usr/sbin:/sbin:/usr/local/bin
say() { printf '%s %s\n' "$1" "$2"; }

say time "$(date +%s.%N)"
say disk-free-kib "$(df -Pk /var/lib | { read -r _; read -r _ _ _ free _; echo "$free"; })"
ip -o address show scope global 2>/dev/null | while read -r _ nic family address _; do
    case $family in inet | inet6) say address "$nic ${address%/*}" ;; esac
done
