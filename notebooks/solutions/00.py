# Lesson 00: Lena writes once more. The same conversation_id means the same chat.
second = session.client.send(Text("And how much are they?"), conversation_id="lena", sender=lena)
