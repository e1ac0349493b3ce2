"""Storage plug-ins."""
