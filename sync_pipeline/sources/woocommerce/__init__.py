"""Reading a WooCommerce store: signing, sending, telling answers apart, verifying them."""
