"""The tests: a package, so that no package of that name in an environment comes before it."""
