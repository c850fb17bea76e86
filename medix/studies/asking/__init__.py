"""Pages on which a person asks a model, or is asked before it."""
