"""Models in this process: a Hugging Face model folder plays a role without any server."""
