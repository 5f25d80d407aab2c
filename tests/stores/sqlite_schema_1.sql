-- A store of schema 1 as Drift Guard wrote it. Never edited: today's code opens every earlier store.
CREATE TABLE meta (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL);
INSERT INTO meta VALUES('schema','1');
INSERT INTO meta VALUES('last-version','3');
INSERT INTO meta VALUES('secret-key:3f0c8f1d2b7a4e55','');
CREATE TABLE rows (partition TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, version TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (partition, kind, id));
INSERT INTO rows VALUES('payments-prod','job','job','3','{"generation":1,"name":"payments-prod"}');
INSERT INTO rows VALUES('payments-prod','ledger','00000001','2','{"text":"\u00fc"}');
INSERT INTO rows VALUES('~open','halt','h-1','1','{}');
CREATE TABLE blobs (key TEXT NOT NULL PRIMARY KEY, data BLOB NOT NULL);
INSERT INTO blobs VALUES('baseline/payments-prod/1',X'00ff10');
