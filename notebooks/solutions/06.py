# Lesson 06: the HMAC of the body as it came, or without one newline, compared as bytes and in constant time.
def from_kommo(body, signature):
    given = (signature or "").lower().encode()
    return any(hmac.compare_digest(sha1(each).encode(), given) for each in (body, body.removesuffix(b"\n")))
