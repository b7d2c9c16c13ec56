# Lesson 02: no body means no bytes, and even nothing has an MD5.
empty_md5 = hashlib.md5(b"").hexdigest()
