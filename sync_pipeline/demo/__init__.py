"""A WooCommerce store on loopback that answers like the recorded one.

Belongs here: the store's state (recorded or made), the HTTP server, its faults. Does not: a client
(sources/woocommerce/), the database. Tests, the demo and the benchmarks all use this store.

The listing of /wc-analytics/reports/customers, writes over HTTP and webhooks are not served.
"""

from sync_pipeline.demo.auth import DEMO_KEY, DEMO_SECRET
from sync_pipeline.demo.faults import Fault
from sync_pipeline.demo.made import made_store
from sync_pipeline.demo.recorded import recorded_store
from sync_pipeline.demo.server import DemoServer
from sync_pipeline.demo.store import DemoStore

__all__ = [
    "DEMO_KEY",
    "DEMO_SECRET",
    "DemoServer",
    "DemoStore",
    "Fault",
    "made_store",
    "recorded_store",
]
