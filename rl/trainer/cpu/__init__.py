"""verl on machines without an accelerator: platform, rollout and the patches that it still needs."""
