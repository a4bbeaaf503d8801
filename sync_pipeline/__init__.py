"""Keeps a PostgreSQL back office in step with WooCommerce stores, and proves it."""

__version__ = "0.1.0"
