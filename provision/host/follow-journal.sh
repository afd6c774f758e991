# Prints the last lines of a unit's journal and those that come. Standard input: `unit lines`.
read -r unit lines
exec journalctl --no-pager -q -o short-iso -f -n "$lines" -u "$unit"
