# Runs SQL on the SQLite of this Python, for a test that compares.
#
# Reads lines of JSON, each a list of scripts, and answers each with a line: a
# list of [error or null, rows of the query that was asked after each script].
import json
import sqlite3
import sys

options = {row[0] for row in sqlite3.connect(":memory:").execute("PRAGMA compile_options")}
print(json.dumps("ENABLE_UPDATE_DELETE_LIMIT" in options), flush=True)

for line in sys.stdin:
    scripts, query = json.loads(line)
    connection = sqlite3.connect(":memory:", isolation_level=None)
    answers = []
    for script in scripts:
        error = None
        try:
            connection.executescript(script)
        except sqlite3.Error as refused:
            error = str(refused)
        try:
            rows = connection.execute(query).fetchall()
        except sqlite3.Error:
            rows = None
        answers.append([error, rows])
    connection.close()
    print(json.dumps(answers), flush=True)
