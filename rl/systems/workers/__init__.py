"""Workers: each runs one library in its own environment and speaks JSON lines; imports nothing else of this project."""
