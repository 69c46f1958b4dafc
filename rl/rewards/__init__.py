"""Rewards: small named functions of what came of a decision, and their weighted sum."""
