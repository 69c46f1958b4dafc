"""What the paper claims, in small: runs with several seeds, measured on worlds that no run has seen."""
