"""The story of one remote record: what happened to it, in order, and why it is as it is now.

Belongs here: gathering what is kept about a record (gathering.py), telling it (timeline.py), and
concluding (reasons.py). Does not: printing (cli/), deciding (sql/queue/).
"""

from sync_pipeline.queue.story.gathering import UnknownRecordError, gather
from sync_pipeline.queue.story.kinds import Story
from sync_pipeline.queue.story.reasons import reasons
from sync_pipeline.queue.story.timeline import Event, timeline

__all__ = ["Event", "Story", "UnknownRecordError", "gather", "reasons", "timeline"]
