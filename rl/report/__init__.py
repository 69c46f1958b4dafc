"""Reports: an evaluation as one page for people and one table for papers."""
