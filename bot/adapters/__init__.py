"""How does netdiag touch the world? Each adapter serves one port and is a stranger to the others."""
