"""Memory methods of other people that have no usable package, as graphs: rows to compare with."""
