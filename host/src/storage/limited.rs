//! How UPDATE and DELETE take ORDER BY and LIMIT.
//!
//! SQLite's parser knows these clauses only when it is generated with them, and
//! the one that is bundled is not. What SQLite then does is this, so it is done
//! here, on statements that the parser has refused at such a clause:
//!
//! ```text
//! DELETE FROM t WHERE a RETURNING r ORDER BY b LIMIT c
//! DELETE FROM t WHERE _rowid_ IN (SELECT _rowid_ FROM t WHERE a ORDER BY b LIMIT c) RETURNING r
//! ```
//!
//! Invariants:
//!
//! * A parameter keeps its number, though clauses change places.
//! * Text that is not understood is left alone, and keeps SQLite's error.

use super::errors::StorageError;
use super::tokens::{Kind, Token, tokens};

/// A statement with ORDER BY or LIMIT, in its parts.
#[derive(Debug, PartialEq, Eq)]
pub struct Limited<'a> {
    /// Name of the table, without quotes.
    pub table: String,
    verb: &'static str,
    /// Everything up to WHERE.
    head: Vec<Token<'a>>,
    /// The table with its alias and index.
    target: Vec<Token<'a>>,
    condition: Vec<Token<'a>>,
    returning: Vec<Token<'a>>,
    order_by: Vec<Token<'a>>,
    limit: Vec<Token<'a>>,
    /// Numbers of the parameters, by their place in the text.
    numbers: Vec<(usize, usize)>,
    /// Bytes of the statement in the text, with its semicolon.
    pub length: usize,
}

/// Whether SQLite stumbled over one of the clauses.
pub fn is_refusal(error: &StorageError) -> bool {
    let StorageError::Sqlite { message, .. } = error else {
        return false;
    };
    let message = message.to_ascii_uppercase();
    message.starts_with("NEAR \"ORDER\": SYNTAX ERROR")
        || message.starts_with("NEAR \"LIMIT\": SYNTAX ERROR")
}

impl<'a> Limited<'a> {
    /// Reads the first statement of `sql`, if it is one of these.
    pub fn read(sql: &'a str) -> Option<Self> {
        let all = tokens(sql);
        let depths = depths(&all);
        let end = (0..all.len())
            .find(|at| depths[*at] == 0 && all[*at].is(";"))
            .unwrap_or(all.len());
        let length = all.get(end).map_or(sql.len(), Token::end);
        let all = &all[..end];
        if !["WITH", "UPDATE", "DELETE", "EXPLAIN"]
            .iter()
            .any(|word| all.first().is_some_and(|token| token.is(word)))
        {
            return None;
        }
        let find = |from: usize, words: &[&str]| {
            (from..end).find(|at| depths[*at] == 0 && words.iter().any(|word| all[*at].is(word)))
        };
        let verb_at = find(0, &["UPDATE", "DELETE"])?;
        let is_update = all[verb_at].is("UPDATE");
        let target_at = match all.get(verb_at + 1)? {
            token if is_update && token.is("OR") => verb_at + 3,
            token if !is_update && token.is("FROM") => verb_at + 2,
            _ if is_update => verb_at + 1,
            _ => return None,
        };
        let clauses = ["WHERE", "RETURNING", "ORDER", "LIMIT"];
        let target_end = find(target_at, if is_update { &["SET"] } else { &clauses })?;
        let head_end = find(target_end, &clauses)?;
        let is_from = |at: usize| all[at].is("FROM") && !all[at - 1].is("DISTINCT");
        if is_update && (target_end..head_end).any(|at| depths[at] == 0 && is_from(at)) {
            return None;
        }
        // Each clause reaches to the next that is there; another order is not SQL.
        let mut parts: [&[Token<'a>]; 4] = [&[]; 4];
        let mut at = head_end;
        let mut first = 0;
        while at < end {
            let clause = (first..4).find(|clause| all[at].is(clauses[*clause]))?;
            let next = find(at + 1, &clauses).unwrap_or(end);
            parts[clause] = &all[at..next];
            first = clause + 1;
            at = next;
        }
        let [condition, returning, order_by, limit] = parts.map(<[_]>::to_vec);
        let target = all[target_at..target_end].to_vec();
        let name = match target.get(1) {
            Some(dot) if dot.is(".") => target.get(2)?,
            _ => target.first()?,
        };
        Some(Self {
            table: name.name(),
            verb: if is_update { "UPDATE" } else { "DELETE" },
            head: all[..head_end].to_vec(),
            target,
            condition,
            returning,
            order_by,
            limit,
            numbers: parameter_numbers(all),
            length,
        })
    }

    /// The statement as the parser takes it. `key` is what tells the rows of the
    /// table apart, as a list of columns.
    pub fn rewrite(&self, key: &str) -> Result<String, StorageError> {
        if self.limit.is_empty() {
            let text = format!("ORDER BY without LIMIT on {}", self.verb);
            return Err(StorageError::sqlite(
                rusqlite::ffi::SQLITE_ERROR,
                &text,
                None,
            ));
        }
        Ok(format!(
            "{} WHERE ({key}) IN (SELECT {key} FROM {} {} {} {}) {}",
            self.text(&self.head),
            self.text(&self.target),
            self.text(&self.condition),
            self.text(&self.order_by),
            self.text(&self.limit),
            self.text(&self.returning),
        ))
    }

    /// Tokens as text, parameters by number.
    fn text(&self, tokens: &[Token<'_>]) -> String {
        let mut text = String::new();
        let mut last_end = None;
        for token in tokens {
            // Signs like `<=` must stay together, all else must stay apart.
            if last_end.is_some_and(|end| end != token.start) {
                text.push(' ');
            }
            last_end = Some(token.end());
            match self.numbers.iter().find(|(start, _)| *start == token.start) {
                Some((_, number)) => text.push_str(&format!("?{number}")),
                None => text.push_str(token.text),
            }
        }
        text
    }
}

/// How many parentheses enclose each token; those themselves count as inside.
fn depths(all: &[Token<'_>]) -> Vec<usize> {
    let mut depth = 0_usize;
    all.iter()
        .map(|token| {
            if token.is("(") {
                depth += 1;
            }
            let here = depth;
            if token.is(")") {
                depth = depth.saturating_sub(1);
            }
            here
        })
        .collect()
}

/// Start and number of each parameter, counted as SQLite counts.
fn parameter_numbers(all: &[Token<'_>]) -> Vec<(usize, usize)> {
    let mut named: Vec<(&str, usize)> = Vec::new();
    let mut last = 0;
    let mut numbers = Vec::new();
    for token in all.iter().filter(|token| token.kind == Kind::Parameter) {
        let known = named.iter().find(|(name, _)| *name == token.text);
        let number = match (token.text.strip_prefix('?'), known) {
            (Some(""), _) => last + 1,
            (Some(digits), _) => match digits.parse() {
                Ok(number) => number,
                Err(_) => continue,
            },
            (None, Some((_, number))) => *number,
            (None, None) => {
                named.push((token.text, last + 1));
                last + 1
            }
        };
        last = last.max(number);
        numbers.push((token.start, number));
    }
    numbers
}

#[cfg(test)]
mod tests {
    //! The rewriting is pure text; what SQLite makes of it is tried in `tests::limited`.
    use super::*;

    fn check(sql: &str, expected: &str) {
        let text = Limited::read(sql).map(|limited| {
            let text = limited
                .rewrite("_rowid_")
                .unwrap_or_else(|error| error.to_string());
            text.split_whitespace().collect::<Vec<_>>().join(" ")
        });
        assert_eq!(text.as_deref().unwrap_or("as it is"), expected, "{sql}");
    }

    #[test]
    fn the_clauses_move_into_a_query() {
        check(
            "DELETE FROM t LIMIT 1",
            "DELETE FROM t WHERE (_rowid_) IN (SELECT _rowid_ FROM t LIMIT 1)",
        );
        check(
            "delete from main.\"a b\" as x where x.y<=1 order by y desc limit 2 offset 3; SELECT 1",
            "delete from main.\"a b\" as x WHERE (_rowid_) IN (SELECT _rowid_ FROM main.\"a b\" as x \
             where x.y<=1 order by y desc limit 2 offset 3)",
        );
        check(
            "UPDATE OR IGNORE t INDEXED BY i SET a = (SELECT max(b) FROM u ORDER BY 1 LIMIT 1) \
             WHERE c RETURNING a ORDER BY b LIMIT 1",
            "UPDATE OR IGNORE t INDEXED BY i SET a = (SELECT max(b) FROM u ORDER BY 1 LIMIT 1) \
             WHERE (_rowid_) IN (SELECT _rowid_ FROM t INDEXED BY i WHERE c ORDER BY b LIMIT 1) \
             RETURNING a",
        );
        check(
            "WITH c AS (SELECT 1) UPDATE t SET a = b IS DISTINCT FROM c LIMIT 1",
            "WITH c AS (SELECT 1) UPDATE t SET a = b IS DISTINCT FROM c \
             WHERE (_rowid_) IN (SELECT _rowid_ FROM t LIMIT 1)",
        );
    }

    #[test]
    fn parameters_keep_their_numbers() {
        check(
            "UPDATE t SET a = ? WHERE b = :b RETURNING ?, :b ORDER BY ? LIMIT ?2",
            "UPDATE t SET a = ?1 WHERE (_rowid_) IN \
             (SELECT _rowid_ FROM t WHERE b = ?2 ORDER BY ?4 LIMIT ?2) RETURNING ?3, ?2",
        );
        check(
            "DELETE FROM t WHERE a = ?5 AND b = ?LIMIT $n",
            "DELETE FROM t WHERE (_rowid_) IN \
             (SELECT _rowid_ FROM t WHERE a = ?5 AND b = ?6 LIMIT ?7)",
        );
    }

    #[test]
    fn an_order_needs_a_limit() {
        check(
            "DELETE FROM t ORDER BY a",
            "ORDER BY without LIMIT on DELETE: SQLITE_ERROR",
        );
        check(
            "UPDATE t SET a = 1 ORDER BY a",
            "ORDER BY without LIMIT on UPDATE: SQLITE_ERROR",
        );
    }

    #[test]
    fn what_is_not_understood_is_left_alone() {
        for sql in [
            "SELECT 1 LIMIT 1 LIMIT 2",
            "UPDATE t SET a = 1 FROM u LIMIT 1",
            "DELETE FROM t LIMIT 1 RETURNING a",
            "DELETE FROM t LIMIT 1 ORDER BY a",
            "DELETE FROM t LIMIT 1 LIMIT 1",
            "INSERT INTO t SELECT 1 ORDER LIMIT",
            "CREATE TRIGGER r AFTER INSERT ON t BEGIN DELETE FROM t LIMIT 1; END",
            "UPDATE",
            "DELETE FROM",
            "DELETE LIMIT",
            "UPDATE LIMIT 1",
            "",
        ] {
            check(sql, "as it is");
        }
    }
}
