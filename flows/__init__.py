"""The command line, and what it is made of: settings, reading conversations, ingesting them, the doctor."""
