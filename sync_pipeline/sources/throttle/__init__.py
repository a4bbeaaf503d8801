"""How often a remote system is asked, agreed on by all processes that ask it."""
