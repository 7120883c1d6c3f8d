"""How does a Slack workspace reach netdiag? Unmodified slack-bolt over Socket Mode, and messages as values."""
