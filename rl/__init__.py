"""Training and measuring: tasks, metrics, benchmarks."""
