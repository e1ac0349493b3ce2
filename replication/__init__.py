"""Replication plug-ins. The effects log of the engine is what they subscribe to."""
