# Remembers what a large file is that was just put here, so that it need not be read to be known again.
# Standard input: `mode sha256 path`.
set -eu
umask 077
read -r mode sum path
stamps=/var/lib/rancher/orchestrator-stamps
mkdir -p "${stamps%/*}"
new=$(mktemp "$stamps.XXXXXX")
trap 'rm -f "$new"' EXIT
[ ! -f "$stamps" ] || while read -r line; do
    [ "${line##* }" = "$path" ] || printf '%s\n' "$line"
done <"$stamps" >"$new"
printf '%s %s %s %s\n' "$mode" "$sum" "$(stat -c %s,%Y,%i "$path")" "$path" >>"$new"
mv -f "$new" "$stamps"
