"""Apps that embed the agent."""
