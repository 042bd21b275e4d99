"""Measurement: time, load, memory and the machine."""
