"""A language model as the judge of answers, and how far to trust it."""
