"""What policies are trained on: rows built from a task or the synthetic world, and their files."""
