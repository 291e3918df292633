"""Starts, breaks, mends and checks the shop. Standard library only."""
