"""Vocabulary and arithmetic: standard library only, no waiting, no clock."""
