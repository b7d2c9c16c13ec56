# Lesson 04: -1 needs an error code, and 905 needs a text, which Maria sees.
first, second = shown["message_ids"]
client.set_delivery_status(first, 1)
client.set_delivery_status(second, -1, error_code=905, error="The phone cannot show this picture")
