"""Parsing of short clinical texts: words, numbers with units, and facts that must not contradict each other."""
