"""The checks of the doctor, one per file."""
