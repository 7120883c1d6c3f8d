"""netdiag: the network doctor on call for Linux fleets."""

__version__ = "0.1.0"
