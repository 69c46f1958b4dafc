"""The memory graph: nouns, operations and stores. No model, no framework."""
