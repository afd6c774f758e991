# Prints the last lines of a unit's journal. Standard input: `unit lines`.
read -r unit lines
journalctl --no-pager -q -o short-iso -n "$lines" -u "$unit"
