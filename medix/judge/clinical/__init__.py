"""Reading short clinical texts: words, numbers with units, and the facts that must not be crossed."""
