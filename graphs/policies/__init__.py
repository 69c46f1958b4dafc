"""The policy registry: which trained policy plays the roles, since when, and why (`types` first)."""
