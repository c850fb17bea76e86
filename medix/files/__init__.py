"""Files and folders: written whole, locked, limited by the room there is, and read whatever wrote them."""
