"""What travelled behind a message, as it is kept."""

from __future__ import annotations

import json

import pandas as pd

from ..store import Store
from .frames import AT, frame


def raw(store: Store, message_id: str) -> pd.DataFrame:
    """The raw rows behind a message: the hook that brought it, the call that made it.

    Definition: the bodies as they were kept, with line breaks where they are JSON. Signatures and secrets are not
    among them.

    Returns: row (str: deliveries or exchanges, and the id), part (str: hook, request or response), at
    (datetime64[ms, UTC], when it came or was made), outcome (str: verdict and answer, or state and status), text
    (str); the hook first, no rows for an unknown message.
    """
    sql = """
        SELECT 'deliveries ' || d.id AS row, 'hook' AS part, received_at_ms AS at,
               verdict || ', answered ' || http_status AS outcome, body AS text
        FROM messages m JOIN deliveries d ON d.id = m.delivery_id WHERE m.message_id = :id
        UNION ALL
        SELECT 'exchanges ' || e.id, part, created_at_ms,
               e.kind || ' ' || state || coalesce(', status ' || status, ''),
               CASE part WHEN 'request' THEN request_body ELSE response_body END AS body
        FROM messages m JOIN exchanges e ON e.id IN (m.exchange_id, m.history_id)
        JOIN (SELECT 'request' AS part UNION ALL SELECT 'response')
        WHERE m.message_id = :id AND length(body) > 0 ORDER BY part"""
    columns = {"row": "str", "part": "str", "at": AT, "outcome": "str", "text": "object"}
    rows = frame(store, sql, {"id": message_id}, columns)
    return rows.assign(text=rows["text"].map(_readable)).astype({"text": "str"})


def _readable(body: bytes) -> str:
    try:
        text = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return body.decode(errors="replace")
    return text.encode(errors="replace").decode()  # half a surrogate pair can stand in JSON, but in no text
