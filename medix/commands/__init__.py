"""``python -m medix`` commands beside those of the trainer: one file each, with ``main(argv) -> int``."""
