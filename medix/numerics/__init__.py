"""Pure tensor functions: masks, log-probabilities, divergences."""
