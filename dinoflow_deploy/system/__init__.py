"""The system beneath: the machine, packages, the user's folders, the hub, signals, fields of files."""
