# Prints `yes` and the file that standard input names, or `no`.
read -r path
if [ -f "$path" ]; then echo yes && cat "$path"; else echo no; fi
