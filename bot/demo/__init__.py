"""A fleet of real Linux hosts with real faults, made of namespaces on this machine; for the demo and for tests."""

from bot.demo.fleet import Fleet
from bot.demo.machine import FleetError, availability
from bot.demo.replay import replay_inventory

__all__ = ["Fleet", "FleetError", "availability", "replay_inventory"]
