"""The signature doctor: names the mistake that made Kommo refuse a request, or a receiver refuse a hook.

Pure like the rest of the wire: it is shown a request or a hook and the secret, and answers with a `Diagnosis`. It tries
the known `mistakes` on each part of the signature, alone and in pairs (`search`), and looks at what needs no search.
"""

from __future__ import annotations

from .diagnose import diagnose_hook, diagnose_pasted, diagnose_request
from .diagnosis import Diagnosis, Finding
from .pasted import NotARequest, Pasted, parse_curl, parse_har, parse_http, parse_request

__all__ = ["Diagnosis", "Finding", "NotARequest", "Pasted", "diagnose_hook", "diagnose_pasted", "diagnose_request"]
__all__ += ["parse_curl", "parse_har", "parse_http", "parse_request"]
