"""Evaluation: runs systems over a task, keeps every answer and cost, and goes on where it was stopped."""
