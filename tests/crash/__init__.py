"""Real processes that are killed: whatever moment it is, what they leave behind can be used."""
