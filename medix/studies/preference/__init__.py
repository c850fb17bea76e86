"""Blinded comparisons of models by people: the design, the database, the page, the report."""
