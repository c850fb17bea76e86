"""What a page of a local server asks for and does not get."""


class NotThereError(LookupError):
    """Nothing stands at an address, or not for who asks."""
