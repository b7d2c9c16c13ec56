"""The signature doctor: names the mistake that made Kommo refuse a request, or a receiver refuse a hook.

Pure like the rest of the wire: it is shown a request or a hook and the secret, and answers with a `Diagnosis`. It tries
the known `mistakes` on each part of what is signed, alone and in pairs (`search`), the likely ones first.

The work is bounded by bytes, so that it ends the same way on every machine: a body is written in other ways until
`writings.MAX_WRITTEN` bytes are reached, and a search ends at `search.MAX_HASHED`. A body of 1 MB takes under a second.
"""

from __future__ import annotations

from .diagnose import diagnose_hook, diagnose_pasted, diagnose_request
from .diagnosis import Diagnosis, Finding
from .pasted import NotARequest, Pasted, parse_curl, parse_har, parse_http, parse_request

__all__ = ["Diagnosis", "Finding", "NotARequest", "Pasted", "diagnose_hook", "diagnose_pasted", "diagnose_request"]
__all__ += ["parse_curl", "parse_har", "parse_http", "parse_request"]
