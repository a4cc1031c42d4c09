-- The ledger: every question and every answer, append-only. The database itself forbids what must never happen.
CREATE TABLE run (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE splits (id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE);
CREATE TABLE roles (
  split INTEGER NOT NULL REFERENCES splits, source TEXT NOT NULL, role TEXT NOT NULL,
  PRIMARY KEY (split, source)) WITHOUT ROWID;

CREATE TABLE games (
  id INTEGER PRIMARY KEY, kind TEXT NOT NULL CHECK (kind IN ('outer', 'inner')),
  episode INTEGER NOT NULL, parent INTEGER REFERENCES games, split INTEGER NOT NULL REFERENCES splits,
  budget INTEGER NOT NULL, spent INTEGER NOT NULL DEFAULT 0,
  CONSTRAINT overspent CHECK (spent BETWEEN 0 AND budget),
  CONSTRAINT nested CHECK ((kind = 'inner') = (parent IS NOT NULL)));
CREATE UNIQUE INDEX one_outer ON games (kind) WHERE kind = 'outer';

-- Labels that were there before the first question: counted, never asked.
CREATE TABLE given (
  game INTEGER NOT NULL REFERENCES games, source TEXT NOT NULL, purpose TEXT NOT NULL, labels INTEGER NOT NULL,
  PRIMARY KEY (game, source, purpose)) WITHOUT ROWID;

CREATE TABLE steps (
  game INTEGER NOT NULL REFERENCES games, step INTEGER NOT NULL, details TEXT NOT NULL,
  PRIMARY KEY (game, step)) WITHOUT ROWID;
CREATE TABLE questions (
  id INTEGER PRIMARY KEY, game INTEGER NOT NULL, step INTEGER NOT NULL, position INTEGER NOT NULL,
  unit TEXT NOT NULL, source TEXT NOT NULL, other TEXT, cost INTEGER NOT NULL CHECK (cost >= 0),
  score REAL, context TEXT,
  UNIQUE (game, unit), UNIQUE (game, step, position),
  FOREIGN KEY (game, step) REFERENCES steps (game, step));

CREATE TABLE blobs (sha256 TEXT PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE answers (
  id INTEGER PRIMARY KEY, question INTEGER NOT NULL REFERENCES questions, revision INTEGER NOT NULL,
  blob TEXT REFERENCES blobs, -- NULL: the labeller could not tell; it costs, is remembered and teaches nothing
  UNIQUE (question, revision));

CREATE TABLE closings (
  game INTEGER NOT NULL, step INTEGER NOT NULL, snapshot TEXT NOT NULL, details TEXT NOT NULL,
  PRIMARY KEY (game, step)) WITHOUT ROWID;
CREATE TABLE evaluations (
  game INTEGER NOT NULL REFERENCES games, labels INTEGER NOT NULL, part TEXT NOT NULL, model TEXT NOT NULL,
  value REAL, details TEXT NOT NULL, PRIMARY KEY (game, labels, part, model)) WITHOUT ROWID;

CREATE TRIGGER role_of_unit BEFORE INSERT ON questions BEGIN
  SELECT RAISE(ABORT, 'role forbids') WHERE EXISTS (
    SELECT 1 FROM (SELECT NEW.source AS s UNION ALL SELECT NEW.other WHERE NEW.other IS NOT NULL)
    WHERE NOT EXISTS (SELECT 1 FROM roles JOIN games ON games.split = roles.split
                      WHERE games.id = NEW.game AND roles.source = s AND roles.role = 'POOL'));
END;
-- An episode is played on labels already bought: its questions are free because they ask for nothing new.
CREATE TRIGGER bought_before BEFORE INSERT ON questions
  WHEN (SELECT kind FROM games WHERE id = NEW.game) = 'inner' BEGIN
  SELECT RAISE(ABORT, 'not bought') WHERE NOT EXISTS (
      SELECT 1 FROM questions q JOIN answers a ON a.question = q.id JOIN games g ON g.id = NEW.game
      WHERE q.game = g.parent AND q.unit = NEW.unit AND a.blob IS NOT NULL)
    AND EXISTS (
      SELECT 1 FROM (SELECT NEW.source AS s UNION ALL SELECT NEW.other WHERE NEW.other IS NOT NULL)
      WHERE NOT EXISTS (SELECT 1 FROM given JOIN games ON games.parent = given.game
                        WHERE games.id = NEW.game AND given.source = s
                          AND given.purpose NOT IN ('reward', 'test')));
END;
CREATE TRIGGER pay AFTER INSERT ON questions BEGIN
  UPDATE games SET spent = spent + NEW.cost WHERE id = NEW.game;
END;
-- What tests a game's final number may be asked about in no game at all.
CREATE TRIGGER test_is_sacred BEFORE INSERT ON roles WHEN NEW.role = 'POOL' BEGIN
  SELECT RAISE(ABORT, 'test source in a pool')
    WHERE EXISTS (SELECT 1 FROM roles WHERE source = NEW.source AND role = 'TEST');
END;
CREATE TRIGGER test_stays_sacred BEFORE INSERT ON roles WHEN NEW.role = 'TEST' BEGIN
  SELECT RAISE(ABORT, 'pool source in a test set')
    WHERE EXISTS (SELECT 1 FROM roles WHERE source = NEW.source AND role = 'POOL');
END;
CREATE INDEX role_of_source ON roles (source, role);
CREATE INDEX answer_of_question ON answers (question);

CREATE TRIGGER keep_games BEFORE UPDATE ON games
  WHEN NEW.spent < OLD.spent OR NEW.budget < OLD.budget OR NEW.kind <> OLD.kind OR NEW.split <> OLD.split
    OR NEW.id <> OLD.id OR NEW.episode <> OLD.episode OR NEW.parent IS NOT OLD.parent BEGIN
  SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER keep_games_rows BEFORE DELETE ON games BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER keep_questions_update BEFORE UPDATE ON questions BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER keep_questions_delete BEFORE DELETE ON questions BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER keep_answers_update BEFORE UPDATE ON answers BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER keep_answers_delete BEFORE DELETE ON answers BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER keep_steps_update BEFORE UPDATE ON steps BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER keep_steps_delete BEFORE DELETE ON steps BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER keep_closings_update BEFORE UPDATE ON closings BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER keep_closings_delete BEFORE DELETE ON closings BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER keep_evaluations_update BEFORE UPDATE ON evaluations BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER keep_evaluations_delete BEFORE DELETE ON evaluations BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER keep_given_update BEFORE UPDATE ON given BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER keep_given_delete BEFORE DELETE ON given BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER keep_roles_update BEFORE UPDATE ON roles BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER keep_roles_delete BEFORE DELETE ON roles BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER keep_blobs_update BEFORE UPDATE ON blobs BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER keep_blobs_delete BEFORE DELETE ON blobs BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER keep_run_update BEFORE UPDATE ON run BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER keep_run_delete BEFORE DELETE ON run BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER keep_splits_update BEFORE UPDATE ON splits BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER keep_splits_delete BEFORE DELETE ON splits BEGIN SELECT RAISE(ABORT, 'append-only'); END;

-- INSERT OR REPLACE removes rows without the triggers above, unless the connection asked for recursive ones.
CREATE TRIGGER add_run BEFORE INSERT ON run BEGIN
  SELECT RAISE(ABORT, 'append-only') WHERE EXISTS (SELECT 1 FROM run WHERE key = NEW.key); END;
CREATE TRIGGER add_split BEFORE INSERT ON splits BEGIN
  SELECT RAISE(ABORT, 'append-only') WHERE EXISTS (SELECT 1 FROM splits WHERE id = NEW.id OR digest = NEW.digest); END;
CREATE TRIGGER add_role BEFORE INSERT ON roles BEGIN
  SELECT RAISE(ABORT, 'append-only')
    WHERE EXISTS (SELECT 1 FROM roles WHERE split = NEW.split AND source = NEW.source); END;
CREATE TRIGGER add_game BEFORE INSERT ON games BEGIN
  SELECT RAISE(ABORT, 'append-only') WHERE EXISTS (SELECT 1 FROM games WHERE id = NEW.id);
  SELECT RAISE(ABORT, 'one deployment')
    WHERE NEW.kind = 'outer' AND EXISTS (SELECT 1 FROM games WHERE kind = 'outer'); END;
CREATE TRIGGER add_given BEFORE INSERT ON given BEGIN
  SELECT RAISE(ABORT, 'append-only') WHERE EXISTS (
    SELECT 1 FROM given WHERE game = NEW.game AND source = NEW.source AND purpose = NEW.purpose); END;
CREATE TRIGGER add_step BEFORE INSERT ON steps BEGIN
  SELECT RAISE(ABORT, 'append-only') WHERE EXISTS (SELECT 1 FROM steps WHERE game = NEW.game AND step = NEW.step); END;
CREATE TRIGGER add_question BEFORE INSERT ON questions BEGIN
  SELECT RAISE(ABORT, 'asked twice')
    WHERE EXISTS (SELECT 1 FROM questions WHERE game = NEW.game AND unit = NEW.unit);
  SELECT RAISE(ABORT, 'append-only') WHERE EXISTS (SELECT 1 FROM questions WHERE id = NEW.id)
    OR EXISTS (SELECT 1 FROM questions WHERE game = NEW.game AND step = NEW.step AND position = NEW.position); END;
CREATE TRIGGER add_blob BEFORE INSERT ON blobs BEGIN
  SELECT RAISE(ABORT, 'append-only') WHERE EXISTS (SELECT 1 FROM blobs WHERE sha256 = NEW.sha256); END;
CREATE TRIGGER add_answer BEFORE INSERT ON answers BEGIN
  SELECT RAISE(ABORT, 'append-only') WHERE EXISTS (SELECT 1 FROM answers WHERE id = NEW.id);
  SELECT RAISE(ABORT, 'out of order')
    WHERE NEW.revision <> (SELECT COUNT(*) FROM answers WHERE question = NEW.question); END;
CREATE TRIGGER add_closing BEFORE INSERT ON closings BEGIN
  SELECT RAISE(ABORT, 'append-only') WHERE EXISTS (SELECT 1 FROM closings WHERE game = NEW.game AND step = NEW.step); END;
CREATE TRIGGER add_evaluation BEFORE INSERT ON evaluations BEGIN
  SELECT RAISE(ABORT, 'append-only') WHERE EXISTS (
    SELECT 1 FROM evaluations
    WHERE game = NEW.game AND labels = NEW.labels AND part = NEW.part AND model = NEW.model); END;
