"""Redis commands, one file a group; each file reads as an index of its group."""
