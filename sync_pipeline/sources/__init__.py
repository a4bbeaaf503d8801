"""Reading remote systems: the Source protocol, its implementations, and paging over any of them."""
