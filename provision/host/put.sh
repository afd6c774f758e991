# Has the files on this machine that standard input names, one `mode base64 path` a line. Each is written beside its
# place, made durable and renamed, unless it is equal already. Says the paths that changed.
set -eu
umask 077
while read -r mode body path; do
    folder=${path%/*}
    (umask 022 && mkdir -p "$folder")
    [ "$body" != - ] || body=
    new=$(mktemp "$folder/.orchestrator.XXXXXX")
    trap 'rm -f "$new"' EXIT
    printf %s "$body" | base64 -d >"$new"
    chmod "$mode" "$new"
    if [ -f "$path" ] && cmp -s "$new" "$path" && [ "$(stat -c %a "$path")" = "$(stat -c %a "$new")" ]; then
        rm -f "$new"
    else
        sync "$new"
        mv -f "$new" "$path"
        sync "$folder"
        printf '%s\n' "$path"
    fi
done
