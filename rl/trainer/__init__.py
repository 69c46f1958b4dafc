"""verl's trainers over our environment: configs, agent loops, advantages, metrics, and the CPU platform."""
