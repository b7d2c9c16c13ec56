# Lesson 09: the account's own API tells its amojo_id, and the receiver is where it was.
amojo_id = session.main_api("/api/v4/account?with=amojo_id")["amojo_id"]
mended = theirs.model_copy(update={"account_id": amojo_id, "hook_url": settings.hook_url})
