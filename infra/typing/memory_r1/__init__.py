"""Memory-R1: a memory layer that language agents learn to use.

memory_r1.memory   nouns, operations, stores; no model, no framework
memory_r1.graphs   the agent: compiled LangGraph graphs
memory_r1.rl       tasks, metrics, benchmarks
memory_r1.flows    command line
"""

__version__ = "0.1.0"
