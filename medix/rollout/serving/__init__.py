"""How served engines reach their servers, and how weights reach them."""
