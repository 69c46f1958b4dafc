"""Episodes: the compiled graphs as an environment for a policy in training."""
