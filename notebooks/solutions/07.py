# Lesson 07: the message is Kommo's, so it is named by Kommo's id; the answer ties both sides together.
session.crm("manager/write-first", phone="+15550179", text="Paul, the violets are in.")
hook = last_hook()
client.set_delivery_status(hook.message_id, 2)
paul = Person(id="client-paul", name="Paul Weber", ref_id=hook.receiver.id)
reply = client.send(Text("Coming!"), conversation_id="paul", conversation_ref_id=hook.chat_id, sender=paul)
