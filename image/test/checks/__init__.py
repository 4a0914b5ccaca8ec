"""Checks of a built image that need no machine to boot. Each reads what is shipped, not what the build has left lying about."""
