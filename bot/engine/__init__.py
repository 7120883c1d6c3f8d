"""What does netdiag do for the one who asks? Use cases over ports; they await, but know no library."""
