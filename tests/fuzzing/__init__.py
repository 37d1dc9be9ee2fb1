"""Fuzzing: what is fuzzed, what it begins with, and how that is changed."""
