"""Systems: the rows of a benchmark's table, ours and other people's, behind one protocol."""
