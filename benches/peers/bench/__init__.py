"""Snaphold beside the tools that people use: the same work, in turns, on one machine."""
