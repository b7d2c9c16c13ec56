"""Every metric: SQL in, DataFrame out, its definition in the docstring. No Panel, no widgets.

The dashboard and the lessons call the same functions, and the dashboard shows the paragraph that starts with
«Definition:» as the tooltip of the metric's card. A metric takes the store and a `Filter`; times go in as unix
milliseconds and come out aware. The SQL of each stands in one place, its own function.
"""

from ..wire.messages import ERROR_CODES
from .business import Calendar
from .conversations import conversations, transcript
from .deliveries import (
    STAGES,
    delivery,
    delivery_funnel,
    delivery_ledger,
    delivery_summary,
    failures,
    rejected_calls,
)
from .filters import AUTHORS, Author, Filter, definition
from .frames import Grain
from .headlines import headline
from .hooks import ACK_LIMIT_MS, channels, hook_health, last_change, last_hook_ms, problems, verdicts
from .raw import raw
from .responses import (
    SILENCE_S,
    first_response_time,
    quantiles,
    response_course,
    response_distribution,
    response_summary,
    response_time,
)
from .volumes import busy_hours, message_types, types, volume
from .waiting import WINDOW_S, expiring, time_windows, waiting_count, waiting_now

__all__ = [
    "ACK_LIMIT_MS",
    "AUTHORS",
    "ERROR_CODES",
    "SILENCE_S",
    "STAGES",
    "WINDOW_S",
    "Author",
    "Calendar",
    "Filter",
    "Grain",
    "busy_hours",
    "channels",
    "conversations",
    "definition",
    "delivery",
    "delivery_funnel",
    "delivery_ledger",
    "delivery_summary",
    "expiring",
    "failures",
    "first_response_time",
    "headline",
    "hook_health",
    "last_change",
    "last_hook_ms",
    "message_types",
    "problems",
    "quantiles",
    "raw",
    "rejected_calls",
    "response_course",
    "response_distribution",
    "response_summary",
    "response_time",
    "time_windows",
    "transcript",
    "types",
    "verdicts",
    "volume",
    "waiting_count",
    "waiting_now",
]
