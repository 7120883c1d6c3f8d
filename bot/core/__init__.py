"""What is true, and what follows from it? Pure values and decisions: no I/O, no clock, no randomness."""
