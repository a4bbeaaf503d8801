"""The command line. Nothing imports it but itself."""
