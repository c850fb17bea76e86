"""What is wrong with data and with answers: duplicates, leakage into benchmarks, contradictions, synonyms."""
