//! `highlight` and `snippet` of full-text tables, in time that grows with the text.
//!
//! SQLite's own copy all of their result for each hit, and compare each hit to each
//! other: a value of 2 MB takes hours, inside one step that nothing can interrupt.
//!
//! Invariant: a call gives what SQLite's own function gives; a test compares them.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;

use rusqlite::{Connection, ffi};

use super::errors::StorageError;
use super::functions::{give_text, length_max, text};
use super::utf8::up_to_nul;

type Outcome<T> = Result<T, c_int>;

/// Puts the functions in the place of SQLite's own.
pub fn attach(connection: &Connection) -> Result<(), StorageError> {
    // SAFETY: the handle is used while the connection is borrowed. SQLite writes the
    // address of its functions for full-text search where the parameter points to.
    let code = unsafe {
        let db = connection.handle();
        let mut api: *mut ffi::fts5_api = ptr::null_mut();
        let mut query = ptr::null_mut();
        let sql = c"SELECT fts5(?1)";
        ffi::sqlite3_prepare_v2(db, sql.as_ptr(), -1, &mut query, ptr::null_mut());
        let place = (&raw mut api).cast();
        ffi::sqlite3_bind_pointer(query, 1, place, c"fts5_api_ptr".as_ptr(), None);
        ffi::sqlite3_step(query);
        ffi::sqlite3_finalize(query);
        add(api, c"highlight", highlight).max(add(api, c"snippet", snippet))
    };
    match code {
        ffi::SQLITE_OK => Ok(()),
        _ => Err(StorageError::sqlite(
            code,
            "cannot make functions for full-text search",
            None,
        )),
    }
}

/// # Safety
///
/// `api` is NULL or what SQLite gave for an open connection.
unsafe fn add(
    api: *mut ffi::fts5_api,
    name: &CStr,
    function: unsafe extern "C" fn(
        *const ffi::Fts5ExtensionApi,
        *mut ffi::Fts5Context,
        *mut ffi::sqlite3_context,
        c_int,
        *mut *mut ffi::sqlite3_value,
    ),
) -> c_int {
    // SAFETY: see above; SQLite copies the name, the function lives for ever.
    unsafe {
        match api.as_ref().and_then(|api| api.xCreateFunction) {
            Some(create) => create(api, name.as_ptr(), ptr::null_mut(), Some(function), None),
            None => ffi::SQLITE_ERROR,
        }
    }
}

/// A hit of one phrase of the query.
#[derive(Clone, Copy, Debug)]
struct Hit {
    phrase: usize,
    column: c_int,
    /// The first of its tokens, and the one after its last.
    start: i64,
    end: i64,
}

/// The row for which a function is called.
struct Found<'a> {
    api: &'a ffi::Fts5ExtensionApi,
    fts: *mut ffi::Fts5Context,
}

fn checked<T>(code: c_int, value: T) -> Outcome<T> {
    match code {
        ffi::SQLITE_OK => Ok(value),
        code => Err(code),
    }
}

type OnToken =
    unsafe extern "C" fn(*mut c_void, c_int, *const c_char, c_int, c_int, c_int) -> c_int;

impl<'a> Found<'a> {
    fn hits(&self) -> Outcome<Vec<Hit>> {
        let (count, hit) = (self.api.xInstCount, self.api.xInst);
        let (count, hit) = (
            count.ok_or(ffi::SQLITE_ERROR)?,
            hit.ok_or(ffi::SQLITE_ERROR)?,
        );
        let size = self.api.xPhraseSize.ok_or(ffi::SQLITE_ERROR)?;
        let mut hits_count = 0;
        // SAFETY: SQLite gave the row; the numbers are written before they are read.
        unsafe {
            checked(count(self.fts, &mut hits_count), ())?;
            (0..hits_count)
                .map(|index| {
                    let (mut phrase, mut column, mut start) = (0, 0, 0);
                    let code = hit(self.fts, index, &mut phrase, &mut column, &mut start);
                    checked(code, ())?;
                    Ok(Hit {
                        phrase: usize::try_from(phrase).unwrap_or(0),
                        column,
                        start: i64::from(start),
                        end: i64::from(start) + i64::from(size(self.fts, phrase)),
                    })
                })
                .collect()
        }
    }

    fn phrase_count(&self) -> usize {
        // SAFETY: as in `hits`.
        let count = self
            .api
            .xPhraseCount
            .map_or(0, |count| unsafe { count(self.fts) });
        usize::try_from(count).unwrap_or(0)
    }

    fn column_count(&self) -> c_int {
        // SAFETY: as in `hits`.
        self.api
            .xColumnCount
            .map_or(0, |count| unsafe { count(self.fts) })
    }

    /// The text of a column; none when it is NULL.
    fn column_text(&self, column: c_int) -> Outcome<Option<&'a [u8]>> {
        let get = self.api.xColumnText.ok_or(ffi::SQLITE_ERROR)?;
        let (mut start, mut length) = (ptr::null(), 0);
        // SAFETY: the text lives as long as the cursor stands on the row.
        unsafe {
            checked(get(self.fts, column, &mut start, &mut length), ())?;
            if start.is_null() {
                return Ok(None);
            }
            let length = usize::try_from(length).unwrap_or(0);
            Ok(Some(std::slice::from_raw_parts(start.cast(), length)))
        }
    }

    /// How many tokens a column has.
    fn column_tokens(&self, column: c_int) -> Outcome<i64> {
        let get = self.api.xColumnSize.ok_or(ffi::SQLITE_ERROR)?;
        let mut tokens = 0;
        // SAFETY: as in `hits`.
        let code = unsafe { get(self.fts, column, &mut tokens) };
        checked(code, i64::from(tokens))
    }

    /// Shows the tokens of a column's text to `on_token`, which is told `context`.
    fn tokenize<T>(
        &self,
        column: c_int,
        text: &[u8],
        context: &mut T,
        on_token: OnToken,
    ) -> Outcome<()> {
        let locale = self.api.xColumnLocale.ok_or(ffi::SQLITE_ERROR)?;
        let tokenize = self.api.xTokenize_v2.ok_or(ffi::SQLITE_ERROR)?;
        let (mut name, mut name_length) = (ptr::null(), 0);
        let length = c_int::try_from(text.len()).unwrap_or(c_int::MAX);
        // SAFETY: `on_token` is called with `context` before this returns.
        unsafe {
            let code = locale(self.fts, column, &mut name, &mut name_length);
            checked(code, ())?;
            let context = ptr::from_mut(context).cast();
            let start = text.as_ptr().cast();
            let code = tokenize(
                self.fts,
                start,
                length,
                name,
                name_length,
                context,
                Some(on_token),
            );
            checked(code, ())
        }
    }
}

/// Marks hits in the text of one column.
struct Highlighter<'a> {
    /// The first and the last token to show; all if there is no last.
    first: i64,
    last: Option<i64>,
    open: &'a [u8],
    close: &'a [u8],
    text: &'a [u8],
    /// Hits that touch each other are one: first and last token.
    marks: std::iter::Peekable<std::vec::IntoIter<(i64, i64)>>,
    token: i64,
    copied: usize,
    is_open: bool,
    out: Vec<u8>,
    length_max: usize,
}

/// Hits of a column, in order, those that touch as one.
fn marks(hits: &[Hit], column: c_int, from: i64) -> Vec<(i64, i64)> {
    let mut marks: Vec<(i64, i64)> = Vec::new();
    for hit in hits.iter().filter(|hit| hit.column == column) {
        match marks.last_mut() {
            Some((_, last)) if hit.start <= *last => *last = hit.end.saturating_sub(1).max(*last),
            _ => marks.push((hit.start, hit.end - 1)),
        }
    }
    marks.retain(|(start, _)| *start >= from);
    marks
}

impl Highlighter<'_> {
    fn push(&mut self, bytes: &[u8]) {
        // What is too long is refused at the end, and need not be kept until then.
        if self.out.len() <= self.length_max {
            self.out.extend_from_slice(up_to_nul(bytes));
        }
    }

    /// Copies the text up to a place.
    fn copy_to(&mut self, end: usize) {
        // SQLite takes a negative length as one without end.
        let end = if end < self.copied {
            self.text.len()
        } else {
            end
        };
        let text = self.text;
        self.push(text.get(self.copied..end).unwrap_or_default());
    }

    fn token(&mut self, start: usize, end: usize) {
        let token = self.token;
        self.token += 1;
        if let Some(last) = self.last {
            if token < self.first || token > last {
                return;
            }
            if self.first != 0 && token == self.first {
                self.copied = start;
            }
        }
        let mark = self.marks.peek().copied();
        let (open, close) = (self.open, self.close);
        if self.is_open && mark.is_none_or(|(first, _)| token <= first) && start > self.copied {
            self.push(close);
            self.is_open = false;
        }
        if mark.is_some_and(|(first, _)| token == first) && !self.is_open {
            self.copy_to(start);
            self.push(open);
            self.copied = start;
            self.is_open = true;
        }
        if mark.is_some_and(|(_, last)| token == last) {
            if !self.is_open {
                self.push(open);
                self.is_open = true;
            }
            self.copy_to(end);
            self.copied = end;
            self.marks.next();
        }
        if Some(token) == self.last {
            if self.is_open {
                if self.marks.peek().is_some_and(|(first, _)| token >= *first) {
                    self.copy_to(end);
                    self.copied = end;
                }
                self.push(close);
                self.is_open = false;
            }
            self.copy_to(end);
            self.copied = end;
        }
    }

    unsafe extern "C" fn on_token(
        context: *mut c_void,
        flags: c_int,
        _: *const c_char,
        _: c_int,
        start: c_int,
        end: c_int,
    ) -> c_int {
        if flags & ffi::FTS5_TOKEN_COLOCATED == 0 {
            // SAFETY: `tokenize` was given a highlighter.
            let this = unsafe { &mut *context.cast::<Highlighter<'_>>() };
            let place = |offset| usize::try_from(offset).unwrap_or(0);
            this.token(place(start), place(end));
        }
        ffi::SQLITE_OK
    }
}

/// # Safety
///
/// The arguments are those that SQLite gives to such a function.
unsafe extern "C" fn highlight(
    api: *const ffi::Fts5ExtensionApi,
    fts: *mut ffi::Fts5Context,
    context: *mut ffi::sqlite3_context,
    count: c_int,
    arguments: *mut *mut ffi::sqlite3_value,
) {
    // SAFETY: see above.
    unsafe {
        if count != 3 {
            let text = c"wrong number of arguments to function highlight()";
            return ffi::sqlite3_result_error(context, text.as_ptr(), -1);
        }
        let found = Found { api: &*api, fts };
        let column = ffi::sqlite3_value_int(*arguments);
        let open = text(*arguments.add(1)).unwrap_or_default();
        let close = text(*arguments.add(2)).unwrap_or_default();
        let content = match found.column_text(column) {
            Err(ffi::SQLITE_RANGE) => return give_text(context, b""),
            Err(code) => return ffi::sqlite3_result_error_code(context, code),
            Ok(None) => return,
            Ok(Some(content)) => content,
        };
        let highlighted = found.hits().and_then(|hits| {
            let mut highlighter = Highlighter {
                first: 0,
                last: None,
                open,
                close,
                text: content,
                marks: marks(&hits, column, 0).into_iter().peekable(),
                token: 0,
                copied: 0,
                is_open: false,
                out: Vec::new(),
                length_max: length_max(context),
            };
            found.tokenize(column, content, &mut highlighter, Highlighter::on_token)?;
            if highlighter.is_open {
                highlighter.push(close);
            }
            highlighter.copy_to(content.len());
            Ok(highlighter.out)
        });
        match highlighted {
            Ok(out) => give_text(context, &out),
            Err(code) => ffi::sqlite3_result_error_code(context, code),
        }
    }
}

/// Finds the tokens with which sentences begin.
struct Sentences<'a> {
    text: &'a [u8],
    token: i64,
    starts: Vec<i64>,
    /// Up to where the text was looked at, and its last byte that is no space.
    seen: usize,
    last: Option<usize>,
}

impl Sentences<'_> {
    fn token(&mut self, start: usize) {
        if self.token == 0 {
            self.starts.push(0);
        } else if self.follows_a_stop(start) {
            self.starts.push(self.token);
        }
        self.token += 1;
    }

    /// Whether there is a stop before `start`, and a space in between.
    fn follows_a_stop(&mut self, start: usize) -> bool {
        if start < self.seen {
            (self.seen, self.last) = (0, None);
        }
        let start = start.min(self.text.len());
        let between = self.text.get(self.seen..start).unwrap_or_default();
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        if let Some(at) = between.iter().rposition(|byte| !is_space(byte)) {
            self.last = Some(self.seen + at);
        }
        self.seen = start;
        self.last
            .is_some_and(|last| last + 1 != start && matches!(self.text[last], b'.' | b':'))
    }

    unsafe extern "C" fn on_token(
        context: *mut c_void,
        flags: c_int,
        _: *const c_char,
        _: c_int,
        start: c_int,
        _: c_int,
    ) -> c_int {
        if flags & ffi::FTS5_TOKEN_COLOCATED == 0 {
            // SAFETY: `tokenize` was given sentences.
            let this = unsafe { &mut *context.cast::<Sentences<'_>>() };
            this.token(usize::try_from(start).unwrap_or(0));
        }
        ffi::SQLITE_OK
    }
}

/// The hits in a stretch of tokens whose start only moves forward.
struct Window<'a> {
    hits: &'a [Hit],
    from: usize,
    to: usize,
    by_phrase: Vec<u32>,
    phrases: i64,
}

impl<'a> Window<'a> {
    fn new(hits: &'a [Hit], phrase_count: usize) -> Self {
        Self {
            hits,
            from: 0,
            to: 0,
            by_phrase: vec![0; phrase_count],
            phrases: 0,
        }
    }

    /// Moves to `tokens` tokens from `start` on.
    fn move_to(&mut self, start: i64, tokens: i64) {
        while self.to < self.hits.len() && self.hits[self.to].start < start + tokens {
            let phrase = &mut self.by_phrase[self.hits[self.to].phrase];
            *phrase += 1;
            self.phrases += i64::from(*phrase == 1);
            self.to += 1;
        }
        while self.from < self.to && self.hits[self.from].start < start {
            let phrase = &mut self.by_phrase[self.hits[self.from].phrase];
            *phrase -= 1;
            self.phrases -= i64::from(*phrase == 0);
            self.from += 1;
        }
    }

    /// A phrase counts 1000 where it is first, and 1 where it is repeated.
    fn score(&self) -> i64 {
        (self.to - self.from) as i64 + 999 * self.phrases
    }

    /// Where a snippet must begin to have the hits in its middle.
    fn middle(&self, tokens: i64, column_tokens: i64) -> i64 {
        let hits = &self.hits[self.from..self.to];
        let first = hits.first().map_or(-1, |hit| hit.start);
        let last = hits.last().map_or(0, |hit| hit.end);
        let start = first - (tokens - (last - first)) / 2;
        start.min(column_tokens - tokens).max(0)
    }
}

/// The best snippet until now.
struct Best {
    column: c_int,
    start: i64,
    score: i64,
    column_tokens: i64,
}

impl Found<'_> {
    /// Looks for the best snippet in a column.
    fn search(&self, column: c_int, hits: &[Hit], tokens: i64, best: &mut Best) -> Outcome<()> {
        let content = self.column_text(column)?.unwrap_or_default();
        let mut sentences = Sentences {
            text: content,
            token: 0,
            starts: Vec::new(),
            seen: 0,
            last: None,
        };
        self.tokenize(column, content, &mut sentences, Sentences::on_token)?;
        let starts = sentences.starts;
        let column_tokens = self.column_tokens(column)?;
        let hits: Vec<Hit> = hits
            .iter()
            .filter(|hit| hit.column == column)
            .copied()
            .collect();
        let phrase_count = self.phrase_count();
        let mut at_hit = Window::new(&hits, phrase_count);
        let mut at_sentence = Window::new(&hits, phrase_count);
        let mut sentence = 0;
        for hit in &hits {
            if hit.start > column_tokens {
                return Err(ffi::SQLITE_CORRUPT_VTAB);
            }
            at_hit.move_to(hit.start, tokens);
            let score = at_hit.score();
            if score > best.score {
                let start = at_hit.middle(tokens, column_tokens);
                *best = Best {
                    column,
                    start,
                    score,
                    column_tokens,
                };
            }
            if starts.is_empty() || column_tokens <= tokens {
                continue;
            }
            while sentence + 1 < starts.len() && starts[sentence + 1] <= hit.start {
                sentence += 1;
            }
            let start = starts[sentence];
            if start < hit.start {
                at_sentence.move_to(start, tokens);
                let score = at_sentence.score() + if start == 0 { 120 } else { 100 };
                if score > best.score {
                    *best = Best {
                        column,
                        start,
                        score,
                        column_tokens,
                    };
                }
            }
        }
        Ok(())
    }

    fn snippet(
        &self,
        column: c_int,
        [open, close, ellipsis]: [&[u8]; 3],
        tokens: c_int,
        length_max: usize,
    ) -> Outcome<Option<Vec<u8>>> {
        let hits = self.hits()?;
        let tokens = i64::from(tokens);
        let mut best = Best {
            column: column.max(0),
            start: 0,
            score: 0,
            column_tokens: 0,
        };
        for searched in 0..self.column_count() {
            if column < 0 || column == searched {
                self.search(searched, &hits, tokens, &mut best)?;
            }
        }
        let content = self.column_text(best.column)?;
        if best.column_tokens == 0 {
            best.column_tokens = self.column_tokens(best.column)?;
        }
        let Some(content) = content else {
            return Ok(None);
        };
        let last = best.start + tokens - 1;
        let mut highlighter = Highlighter {
            first: best.start,
            last: (last >= 0).then_some(last),
            open,
            close,
            text: content,
            marks: marks(&hits, best.column, best.start).into_iter().peekable(),
            token: 0,
            copied: 0,
            is_open: false,
            out: Vec::new(),
            length_max,
        };
        if best.start > 0 {
            highlighter.push(ellipsis);
        }
        self.tokenize(
            best.column,
            content,
            &mut highlighter,
            Highlighter::on_token,
        )?;
        if highlighter.is_open {
            highlighter.push(close);
        }
        if last >= best.column_tokens - 1 {
            highlighter.copy_to(content.len());
        } else {
            highlighter.push(ellipsis);
        }
        Ok(Some(highlighter.out))
    }
}

/// # Safety
///
/// The arguments are those that SQLite gives to such a function.
unsafe extern "C" fn snippet(
    api: *const ffi::Fts5ExtensionApi,
    fts: *mut ffi::Fts5Context,
    context: *mut ffi::sqlite3_context,
    count: c_int,
    arguments: *mut *mut ffi::sqlite3_value,
) {
    // SAFETY: see above.
    unsafe {
        if count != 5 {
            let text = c"wrong number of arguments to function snippet()";
            return ffi::sqlite3_result_error(context, text.as_ptr(), -1);
        }
        let found = Found { api: &*api, fts };
        let column = ffi::sqlite3_value_int(*arguments);
        let words = [1, 2, 3].map(|place| text(*arguments.add(place)).unwrap_or_default());
        let tokens = ffi::sqlite3_value_int(*arguments.add(4));
        match found.snippet(column, words, tokens, length_max(context)) {
            Ok(Some(out)) => give_text(context, &out),
            Ok(None) => {}
            Err(code) => ffi::sqlite3_result_error_code(context, code),
        }
    }
}
