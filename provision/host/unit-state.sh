# Prints systemd's words about a unit, and the last lines that it wrote since it was last started from outside, or since
# a later moment. Standard input: `unit lines seconds-since-1970`.
read -r unit lines since
systemctl show -p ActiveState -p NRestarts -p UnitFileState "$unit"
echo
started=$(cat "/run/orchestrator-$unit-started" 2>/dev/null) && [ "$started" -gt "$since" ] && since=$started
journalctl --no-pager -q -o cat -n "$lines" --since="@$since" -u "$unit" 2>/dev/null
true
