# Lesson 03: connecting again changes the settings of the connection.
without_window = client.connect(account["amojo_id"], title="Tulips 24", is_time_window_disabled=True)
