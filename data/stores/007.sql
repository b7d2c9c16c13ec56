-- A store as kommo_nb wrote it until 2026-11-22 (version 007): a hook, and a report on it that is not counted yet. Made by
-- sqlite3's iterdump; the rows of "steps" are left out.
BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'kommo_nb','001_raw','2026-11-23 01:51:30.199649+00:00');
INSERT INTO "_sqlite_migrations" VALUES(2,'kommo_nb','002_projected','2026-11-23 01:51:30.202458+00:00');
INSERT INTO "_sqlite_migrations" VALUES(3,'kommo_nb','003_views','2026-11-23 01:51:30.203343+00:00');
INSERT INTO "_sqlite_migrations" VALUES(4,'kommo_nb','004_receiver','2026-11-23 01:51:30.204894+00:00');
INSERT INTO "_sqlite_migrations" VALUES(5,'kommo_nb','005_reconcile','2026-11-23 01:51:30.206195+00:00');
INSERT INTO "_sqlite_migrations" VALUES(6,'kommo_nb','006_replays','2026-11-23 01:51:30.206602+00:00');
INSERT INTO "_sqlite_migrations" VALUES(7,'kommo_nb','007_rollups','2026-11-23 01:51:30.215803+00:00');
CREATE TABLE changes (id INTEGER PRIMARY KEY, message_id TEXT, is_new INTEGER NOT NULL, old TEXT) STRICT;
INSERT INTO "changes" VALUES(1,'0371a0ff-b78a-4c7b-8538-a7d547e10692',0,NULL);
CREATE TABLE "channels" (
   "id" TEXT PRIMARY KEY,
   "name" TEXT,
   "bot_id" TEXT
) STRICT;
CREATE TABLE chat_totals (
        chat TEXT PRIMARY KEY, scope_id TEXT, messages INTEGER NOT NULL, last_ms INTEGER NOT NULL, client_ms INTEGER,
        manager_ms INTEGER, search TEXT NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO "chat_totals" VALUES('8e4d4baa-9e6c-4a88-838a-5f62be227bdc','channel_account',1,1639572260980,NULL,1639572260980,'+79151112233
example.client@example.com
my_int-1376265f-86df-4c49-a0c3-a4816df41af8
my_int-d5a421f7f218
8e4d4baa-9e6c-4a88-838a-5f62be227bdc');
CREATE TABLE "chats" (
   "chat_id" TEXT PRIMARY KEY,
   "conversation_id" TEXT,
   "scope_id" TEXT,
   "client_id" TEXT,
   "client_ref_id" TEXT,
   "source" TEXT,
   "name" TEXT,
   "name_at_ms" INTEGER,
   "phone" TEXT,
   "phone_at_ms" INTEGER,
   "email" TEXT,
   "email_at_ms" INTEGER
) STRICT;
INSERT INTO "chats" VALUES('8e4d4baa-9e6c-4a88-838a-5f62be227bdc','my_int-d5a421f7f218','channel_account','my_int-1376265f-86df-4c49-a0c3-a4816df41af8','2ed64e26-70a1-4857-8382-bb066a076219','79039876543',NULL,NULL,'+79151112233',1639572260980,'example.client@example.com',1639572260980);
CREATE TABLE "compared" (
   "chat_id" TEXT PRIMARY KEY,
   "from_ms" INTEGER,
   "to_ms" INTEGER,
   "newest_id" TEXT
) STRICT;
CREATE TABLE "counts" (
   "hour_ms" INTEGER,
   "name" TEXT,
   "count" INTEGER,
   PRIMARY KEY ("hour_ms", "name")
) STRICT;
CREATE TABLE "deliveries" (
   "id" INTEGER PRIMARY KEY,
   "received_at_ms" INTEGER NOT NULL,
   "scope_id" TEXT NOT NULL,
   "body" BLOB NOT NULL,
   "signature" TEXT,
   "verdict" TEXT NOT NULL,
   "http_status" INTEGER NOT NULL,
   "ack_us" INTEGER,
   "user_agent" TEXT
, reason TEXT, secret_id TEXT) STRICT;
INSERT INTO "deliveries" VALUES(1,1639572260980,'channel_account',X'7B226163636F756E745F6964223A2235326535393166372D633938662D343235352D383439352D383237323130313338633831222C2274696D65223A313633393537323236312C226D657373616765223A7B227265636569766572223A7B226964223A2232656436346532362D373061312D343835372D383338322D626230363661303736323139222C2270686F6E65223A222B3739313531313132323333222C22656D61696C223A226578616D706C652E636C69656E74406578616D706C652E636F6D222C22636C69656E745F6964223A226D795F696E742D31333736323635662D383664662D346334392D613063332D613438313664663431616638227D2C2273656E646572223A7B226964223A2237366663326265612D393032662D343235632D396133642D646364616334373636303930227D2C22636F6E766572736174696F6E223A7B226964223A2238653464346261612D396536632D346138382D383338612D356636326265323237626463222C22636C69656E745F6964223A226D795F696E742D643561343231663766323138227D2C22736F75726365223A7B2265787465726E616C5F6964223A223739303339383736353433227D2C2274696D657374616D70223A313633393537323236302C226D7365635F74696D657374616D70223A313633393537323236303938302C226D657373616765223A7B226964223A2230333731613066662D623738612D346337622D383533382D613764353437653130363932222C2274797065223A2274657874222C2274657874223A225C75303432325C75303433355C75303433615C75303434315C7530343432205C75303434315C75303433655C75303433655C75303433315C75303434395C75303433355C75303433645C75303433385C7530343466205C75303432315C75303433345C75303433355C75303433625C75303433615C753034333020233135393236373435222C22746167223A22222C226D65646961223A22222C227468756D626E61696C223A22222C2266696C655F6E616D65223A22222C2266696C655F73697A65223A307D7D7D','','valid',200,1000,NULL,NULL,NULL);
CREATE TABLE "edits" (
   "event" TEXT PRIMARY KEY,
   "message_id" TEXT,
   "msgid" TEXT,
   "type" TEXT,
   "text" TEXT,
   "media" TEXT,
   "thumbnail" TEXT,
   "file_name" TEXT,
   "file_size" INTEGER,
   "edited_at_ms" INTEGER
) STRICT;
CREATE TABLE "exchanges" (
   "id" INTEGER PRIMARY KEY,
   "created_at_ms" INTEGER NOT NULL,
   "kind" TEXT NOT NULL,
   "method" TEXT NOT NULL,
   "path" TEXT NOT NULL,
   "request_body" BLOB NOT NULL,
   "msgid" TEXT,
   "state" TEXT NOT NULL,
   "attempts" INTEGER NOT NULL,
   "status" INTEGER,
   "response_body" BLOB,
   "error_type" TEXT,
   "elapsed_ms" INTEGER,
   "finished_seq" INTEGER
) STRICT;
INSERT INTO "exchanges" VALUES(1,1639572261880,'delivery_status','POST','/v2/origin/custom/channel_account/0371a0ff-b78a-4c7b-8538-a7d547e10692/delivery_status',X'7B227374617475735F636F6465223A20317D',NULL,'done',1,200,X'',NULL,NULL,1);
CREATE TABLE hook_quarters (
        quarter_ms INTEGER NOT NULL, scope_id TEXT NOT NULL, verdict TEXT NOT NULL, hooks INTEGER NOT NULL,
        last_ms INTEGER NOT NULL, slow INTEGER NOT NULL, worst_us INTEGER NOT NULL,
        PRIMARY KEY (quarter_ms, scope_id, verdict)) STRICT, WITHOUT ROWID;
INSERT INTO "hook_quarters" VALUES(1639571400000,'channel_account','valid',1,1639572260980,0,1000);
CREATE TABLE lengths (
        kind TEXT NOT NULL, day_ms INTEGER NOT NULL, scope_id TEXT NOT NULL, author TEXT NOT NULL, type TEXT NOT NULL,
        at_least INTEGER NOT NULL, count INTEGER NOT NULL,
        PRIMARY KEY (kind, day_ms, scope_id, author, type, at_least)) STRICT, WITHOUT ROWID;
INSERT INTO "lengths" VALUES('ack',1639526400000,'*','*','*',1000,1);
INSERT INTO "lengths" VALUES('ack',1639526400000,'channel_account','','',1000,1);
CREATE TABLE "messages" (
   "message_id" TEXT PRIMARY KEY,
   "msgid" TEXT,
   "scope_id" TEXT,
   "chat_id" TEXT,
   "conversation_id" TEXT,
   "direction" TEXT NOT NULL,
   "author" TEXT NOT NULL,
   "sender_id" TEXT,
   "sender_name" TEXT,
   "type" TEXT,
   "text" TEXT,
   "media" TEXT,
   "thumbnail" TEXT,
   "file_name" TEXT,
   "file_size" INTEGER,
   "media_group_id" TEXT,
   "reply_to_id" TEXT,
   "post_id" TEXT,
   "sent_at_ms" INTEGER NOT NULL,
   "delivery_id" INTEGER,
   "exchange_id" INTEGER
, history_id INTEGER, known_chat TEXT, delivered_at_ms INTEGER, read_at_ms INTEGER, failed_at_ms INTEGER, error_code INTEGER, error TEXT, chat TEXT GENERATED ALWAYS AS (coalesce(chat_id, known_chat, conversation_id)) VIRTUAL, reached TEXT GENERATED ALWAYS AS (CASE WHEN NOT (direction = 'outgoing' AND (delivery_id IS NOT NULL OR (history_id IS NOT NULL AND msgid IS NULL))) THEN NULL WHEN read_at_ms IS NOT NULL THEN 'read'
        WHEN delivered_at_ms IS NOT NULL THEN 'delivered' WHEN failed_at_ms IS NOT NULL THEN 'failed'
        ELSE 'not reported' END) VIRTUAL, delivered_in_ms INTEGER GENERATED ALWAYS AS (CASE WHEN direction = 'outgoing' AND (delivery_id IS NOT NULL OR (history_id IS NOT NULL AND msgid IS NULL)) THEN max(0, coalesce(min(delivered_at_ms, read_at_ms), delivered_at_ms, read_at_ms) - sent_at_ms) END) VIRTUAL, read_in_ms INTEGER GENERATED ALWAYS AS (CASE WHEN direction = 'outgoing' AND (delivery_id IS NOT NULL OR (history_id IS NOT NULL AND msgid IS NULL)) THEN max(0, read_at_ms - sent_at_ms) END) VIRTUAL) STRICT;
INSERT INTO "messages" VALUES('0371a0ff-b78a-4c7b-8538-a7d547e10692',NULL,'channel_account','8e4d4baa-9e6c-4a88-838a-5f62be227bdc','my_int-d5a421f7f218','outgoing','manager','76fc2bea-902f-425c-9a3d-dcdac4766090',NULL,'text','Текст сообщения Сделка #15926745',NULL,NULL,NULL,0,NULL,NULL,NULL,1639572260980,1,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE "problems" (
   "event" TEXT PRIMARY KEY,
   "at_ms" INTEGER,
   "reason" TEXT
) STRICT;
CREATE TABLE "projection" (
   "source" TEXT PRIMARY KEY,
   "read_to" INTEGER
) STRICT;
INSERT INTO "projection" VALUES('deliveries',1);
INSERT INTO "projection" VALUES('hooks',1);
INSERT INTO "projection" VALUES('exchanges',1);
CREATE TABLE quarter_hours (
        type TEXT NOT NULL, quarter_ms INTEGER NOT NULL, scope_id TEXT NOT NULL,
        client INTEGER NOT NULL, manager INTEGER NOT NULL, bot INTEGER NOT NULL, sent_manager INTEGER NOT NULL, sent_bot INTEGER NOT NULL, delivered_manager INTEGER NOT NULL, delivered_bot INTEGER NOT NULL, read_manager INTEGER NOT NULL, read_bot INTEGER NOT NULL, failed_manager INTEGER NOT NULL, failed_bot INTEGER NOT NULL,
        PRIMARY KEY (type, scope_id, quarter_ms)) STRICT, WITHOUT ROWID;
INSERT INTO "quarter_hours" VALUES('*',1639571400000,'*',0,1,0,1,0,0,0,0,0,0,0);
INSERT INTO "quarter_hours" VALUES('*',1639571400000,'channel_account',0,1,0,1,0,0,0,0,0,0,0);
INSERT INTO "quarter_hours" VALUES('text',1639571400000,'*',0,1,0,1,0,0,0,0,0,0,0);
INSERT INTO "quarter_hours" VALUES('text',1639571400000,'channel_account',0,1,0,1,0,0,0,0,0,0,0);
CREATE TABLE "reactions" (
   "event" TEXT PRIMARY KEY,
   "chat_id" TEXT,
   "conversation_id" TEXT,
   "user_id" TEXT,
   "message_id" TEXT,
   "msgid" TEXT,
   "type" TEXT,
   "emoji" TEXT,
   "at_ms" INTEGER
) STRICT;
CREATE TABLE "reconciling" (
   "scope_id" TEXT PRIMARY KEY,
   "after" INTEGER,
   "until_ms" INTEGER
) STRICT;
CREATE TABLE repeats (event TEXT PRIMARY KEY, scope_id TEXT, at_ms INTEGER NOT NULL) STRICT;
CREATE TABLE "replays" (
   "id" INTEGER PRIMARY KEY,
   "delivery_id" INTEGER NOT NULL,
   "sent_at_ms" INTEGER NOT NULL,
   "url" TEXT NOT NULL,
   "body" BLOB,
   "status" INTEGER,
   "error" TEXT,
   "elapsed_ms" INTEGER NOT NULL
) STRICT;
CREATE TABLE stale (chat TEXT NOT NULL UNIQUE, since_ms INTEGER NOT NULL) STRICT;
CREATE TABLE "statuses" (
   "event" TEXT PRIMARY KEY,
   "message_id" TEXT,
   "status_code" INTEGER,
   "error_code" INTEGER,
   "error" TEXT,
   "reported_at_ms" INTEGER
) STRICT;
INSERT INTO "statuses" VALUES('e1','0371a0ff-b78a-4c7b-8538-a7d547e10692',1,NULL,NULL,1639572261880);
CREATE TABLE steps (at_least INTEGER PRIMARY KEY) STRICT;
CREATE TABLE "typings" (
   "event" TEXT PRIMARY KEY,
   "chat_id" TEXT,
   "conversation_id" TEXT,
   "user_id" TEXT,
   "at_ms" INTEGER,
   "expired_at_ms" INTEGER
) STRICT;
CREATE TABLE waits (
        kind TEXT NOT NULL, chat TEXT NOT NULL, scope_id TEXT, began_ms INTEGER NOT NULL, asked_ms INTEGER NOT NULL,
        answered_ms INTEGER, wait INTEGER, span INTEGER) STRICT;
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE UNIQUE INDEX "idx_exchanges_finished_seq"
    ON "exchanges" ("finished_seq");
CREATE INDEX exchanges_pending ON exchanges (id) WHERE state = 'pending';
CREATE INDEX "idx_messages_sent_at_ms"
    ON "messages" ("sent_at_ms");
CREATE INDEX "idx_messages_msgid"
    ON "messages" ("msgid");
CREATE INDEX "idx_messages_conversation_id"
    ON "messages" ("conversation_id");
CREATE INDEX "idx_edits_msgid"
    ON "edits" ("msgid");
CREATE INDEX "idx_edits_message_id"
    ON "edits" ("message_id");
CREATE INDEX "idx_statuses_message_id"
    ON "statuses" ("message_id");
CREATE INDEX "idx_chats_conversation_id"
    ON "chats" ("conversation_id");
CREATE INDEX "idx_reactions_chat_id"
    ON "reactions" ("chat_id");
CREATE INDEX "idx_reactions_message_id"
    ON "reactions" ("message_id");
CREATE VIEW "transcript" AS 
        SELECT strftime('%Y-%m-%dT%H:%M:%fZ', m.sent_at_ms / 1000.0, 'unixepoch') AS sent_at, coalesce(c.name, m.conversation_id) AS client, m.author,
               m.type, coalesce(e.text, m.text) AS text, e.event IS NOT NULL AS edited,
               coalesce(e.media, m.media) AS media, d.status AS delivery,
               m.message_id, m.msgid, m.chat_id, m.conversation_id, m.scope_id
        FROM messages m
        LEFT JOIN chats c USING (chat_id)
        LEFT JOIN delivery d USING (message_id)
        LEFT JOIN edits e ON e.event = (
            SELECT event FROM edits WHERE message_id = m.message_id OR msgid = m.msgid
            ORDER BY edited_at_ms DESC, length(event) DESC, event DESC LIMIT 1);
CREATE VIEW "calls" AS 
        SELECT id, strftime('%Y-%m-%dT%H:%M:%fZ', created_at_ms / 1000.0, 'unixepoch') AS called_at, kind, state, status, error_type, attempts, elapsed_ms,
               method, path, CAST(request_body AS TEXT) AS request, CAST(response_body AS TEXT) AS response
        FROM exchanges;
CREATE INDEX deliveries_refused ON deliveries (id) WHERE http_status <> 200;
CREATE VIEW "hooks" AS 
        SELECT id, strftime('%Y-%m-%dT%H:%M:%fZ', received_at_ms / 1000.0, 'unixepoch') AS received_at, verdict,
               http_status, reason, ack_us / 1000.0 AS ack_ms, CAST(body AS TEXT) AS body, scope_id, user_agent,
               secret_id
        FROM deliveries;
CREATE INDEX messages_imported ON messages (history_id) WHERE history_id IS NOT NULL;
CREATE INDEX messages_chat ON messages (chat, sent_at_ms, author);
CREATE INDEX messages_unmapped ON messages (conversation_id) WHERE chat_id IS NULL;
CREATE INDEX messages_failed ON messages (sent_at_ms, error_code, error, scope_id, author, type)
        WHERE reached = 'failed';
CREATE INDEX repeats_at ON repeats (at_ms);
CREATE INDEX problems_at ON problems (at_ms);
CREATE INDEX deliveries_received ON deliveries (received_at_ms);
CREATE INDEX exchanges_of_chats ON exchanges (id) WHERE kind IN ('connect','create_chat') AND state = 'done';
CREATE INDEX exchanges_failed ON exchanges (created_at_ms) WHERE state = 'failed';
CREATE INDEX waits_chat ON waits (chat, kind, began_ms);
CREATE INDEX waits_asked ON waits (kind, asked_ms, wait, scope_id);
CREATE INDEX waits_open ON waits (kind, began_ms, asked_ms, chat, scope_id) WHERE answered_ms IS NULL;
CREATE INDEX waits_open_asked ON waits (kind, asked_ms, began_ms, chat, scope_id)
        WHERE answered_ms IS NULL;
CREATE INDEX waits_span ON waits (kind, span, began_ms, answered_ms) WHERE answered_ms IS NOT NULL;
CREATE INDEX chat_totals_last ON chat_totals (last_ms, chat);
CREATE INDEX chat_totals_scope ON chat_totals (scope_id, last_ms);
CREATE INDEX chat_totals_client ON chat_totals (client_ms, manager_ms, last_ms, scope_id);
CREATE INDEX changes_old ON changes (id) WHERE old IS NOT NULL;
CREATE TRIGGER message_added AFTER INSERT ON messages WHEN new.chat_id IS NOT NULL BEGIN INSERT INTO changes (message_id, is_new) VALUES (new.message_id, 1); END;
CREATE TRIGGER message_added_by_us AFTER INSERT ON messages WHEN new.chat_id IS NULL BEGIN
        INSERT INTO changes (message_id, is_new) VALUES (new.message_id, 1); UPDATE messages SET known_chat = (SELECT min(chat_id) FROM chats
          WHERE conversation_id = messages.conversation_id) WHERE chat_id IS NULL AND message_id = new.message_id; END;
CREATE TRIGGER message_changed AFTER UPDATE OF sent_at_ms, scope_id, type, author, direction, delivery_id, history_id, msgid, chat_id, known_chat, conversation_id ON messages
        WHEN old.sent_at_ms IS NOT new.sent_at_ms OR old.scope_id IS NOT new.scope_id OR old.type IS NOT new.type OR old.author IS NOT new.author OR old.direction IS NOT new.direction OR old.delivery_id IS NOT new.delivery_id OR old.history_id IS NOT new.history_id OR old.msgid IS NOT new.msgid OR old.chat IS NOT new.chat BEGIN 
    INSERT INTO changes (message_id, is_new, old)
    VALUES (old.message_id, 0, json_array(old.type, old.sent_at_ms, old.scope_id, old.author, old.reached, old.delivered_in_ms, old.read_in_ms));
    INSERT INTO stale SELECT old.chat, old.sent_at_ms WHERE old.chat IS NOT NULL
    ON CONFLICT DO UPDATE SET since_ms = min(since_ms, excluded.since_ms);
    INSERT INTO stale SELECT chat, sent_at_ms FROM messages WHERE message_id = old.message_id AND chat IS NOT NULL
    ON CONFLICT DO UPDATE SET since_ms = min(since_ms, excluded.since_ms); END;
CREATE TRIGGER message_removed AFTER DELETE ON messages BEGIN 
    INSERT INTO changes (message_id, is_new, old)
    VALUES (old.message_id, 0, json_array(old.type, old.sent_at_ms, old.scope_id, old.author, old.reached, old.delivered_in_ms, old.read_in_ms));
    INSERT INTO stale SELECT old.chat, old.sent_at_ms WHERE old.chat IS NOT NULL
    ON CONFLICT DO UPDATE SET since_ms = min(since_ms, excluded.since_ms);
    INSERT INTO stale SELECT chat, sent_at_ms FROM messages WHERE message_id = old.message_id AND chat IS NOT NULL
    ON CONFLICT DO UPDATE SET since_ms = min(since_ms, excluded.since_ms); END;
CREATE TRIGGER message_reported AFTER INSERT ON statuses BEGIN
        INSERT INTO changes (message_id, is_new) SELECT message_id, 0 FROM messages
        WHERE message_id = new.message_id; END;
CREATE TRIGGER message_remapped AFTER UPDATE OF chat_id, conversation_id ON messages
        WHEN new.chat_id IS NULL OR new.known_chat IS NOT NULL BEGIN
        UPDATE messages SET known_chat = NULL WHERE message_id = new.message_id AND chat_id IS NOT NULL;
        UPDATE messages SET known_chat = (SELECT min(chat_id) FROM chats
          WHERE conversation_id = messages.conversation_id) WHERE chat_id IS NULL AND message_id = new.message_id; END;
CREATE TRIGGER chat_added AFTER INSERT ON chats BEGIN
        UPDATE messages SET known_chat = (SELECT min(chat_id) FROM chats
          WHERE conversation_id = messages.conversation_id) WHERE chat_id IS NULL AND conversation_id = new.conversation_id; 
    INSERT INTO stale SELECT new.chat_id, 4611686018427387904 WHERE EXISTS (SELECT 1 FROM messages WHERE chat = new.chat_id)
    ON CONFLICT DO NOTHING; END;
CREATE TRIGGER chat_mapped AFTER UPDATE ON chats WHEN old.conversation_id IS NOT new.conversation_id BEGIN
        UPDATE messages SET known_chat = (SELECT min(chat_id) FROM chats
          WHERE conversation_id = messages.conversation_id) WHERE chat_id IS NULL AND conversation_id IN (old.conversation_id, new.conversation_id); END;
CREATE TRIGGER chat_renamed AFTER UPDATE ON chats
        WHEN old.conversation_id IS NOT new.conversation_id OR old.name IS NOT new.name OR old.phone IS NOT new.phone OR old.email IS NOT new.email OR old.client_id IS NOT new.client_id BEGIN 
    INSERT INTO stale SELECT new.chat_id, 4611686018427387904 WHERE EXISTS (SELECT 1 FROM messages WHERE chat = new.chat_id)
    ON CONFLICT DO NOTHING; END;
CREATE VIEW "delivery" AS 
        SELECT message_id, chat_id, sent_at_ms, reached AS status, delivered_at_ms, read_at_ms, error_code, error
        FROM messages WHERE reached IS NOT NULL;
COMMIT;
