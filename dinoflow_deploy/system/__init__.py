"""The system beneath: what this machine has and is, packages, the user's folders, the hub, signals."""
