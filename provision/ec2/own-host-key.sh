# Gives the machine a host key of its own: its private half, as OpenSSH writes it, comes on standard input. Repeating it
# changes nothing. Connections that are open stay so.
set -eu
umask 077
key=/etc/ssh/ssh_host_ed25519_key
cat >"$key.new"
public=$(ssh-keygen -y -f "$key.new")
if [ "$(ssh-keygen -y -f "$key" 2>/dev/null)" != "$public" ]; then
    # Other keys would be shown too, and nobody knows them.
    find /etc/ssh -maxdepth 1 -name 'ssh_host_*_key*' ! -name 'ssh_host_ed25519_key*' -delete
    printf '%s\n' "$public" >"$key.pub.new"
    chmod 644 "$key.pub.new"
    mv "$key.pub.new" "$key.pub"
    mv "$key.new" "$key"
    echo changed
fi
rm -f "$key.new"
# An interrupted run may have left a server that still shows the key it booted with.
if [ ! -e /run/orchestrator-host-key ]; then
    systemctl restart ssh 2>/dev/null || systemctl restart sshd
    touch /run/orchestrator-host-key
fi
