//! Tables, sizes and times for people.

use jiff::Timestamp;

pub use snaphold::service::{format_count as count, format_size as size};

/// A time, UTC, to the second.
pub fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A time that may not be there.
pub fn time_or_dash(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "-".to_string(), time)
}

/// Text that a terminal shows as it is: control characters are written as escapes, so that a name cannot move the cursor.
pub fn printable(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for letter in text.chars() {
        match is_tame(letter) {
            true => clean.push(letter),
            false => clean.extend(letter.escape_default()),
        }
    }
    clean
}

/// Neither a control character nor one that changes the direction or the look of what stands around it.
fn is_tame(letter: char) -> bool {
    let is_format = matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}');
    !letter.is_control() && !is_format
}

/// Which side a column stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Left,
    Right,
}

/// Columns, each as wide as its widest cell so far.
pub struct Columns {
    columns: Vec<(&'static str, Side)>,
    widths: Vec<usize>,
}

impl Columns {
    /// Headings in capitals.
    pub fn new(columns: impl Into<Vec<(&'static str, Side)>>) -> Self {
        let columns = columns.into();
        let widths = columns.iter().map(|(heading, _)| columns_of(heading)).collect();
        Self { columns, widths }
    }

    /// Makes room for a row.
    pub fn measure(&mut self, cells: &[String]) {
        for (width, cell) in self.widths.iter_mut().zip(cells) {
            *width = (*width).max(columns_of(cell));
        }
    }

    /// The line of headings.
    pub fn headings(&self) -> String {
        let headings: Vec<String> = self.columns.iter().map(|(heading, _)| (*heading).to_string()).collect();
        self.line(&headings)
    }

    /// A row's line, with its newline.
    pub fn line(&self, cells: &[String]) -> String {
        let cells = cells.iter().zip(&self.widths).zip(&self.columns).map(|((cell, width), (_, side))| {
            let blank = " ".repeat(width.saturating_sub(columns_of(cell)));
            match side {
                Side::Left => format!("{cell}{blank}"),
                Side::Right => format!("{blank}{cell}"),
            }
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        format!("{}\n", line.trim_end())
    }
}

/// Rows under headings, each column as wide as its widest cell.
pub struct Table {
    columns: Columns,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table; headings in capitals.
    pub fn new(columns: impl Into<Vec<(&'static str, Side)>>) -> Self {
        Self { columns: Columns::new(columns), rows: Vec::new() }
    }

    /// Adds a row with a cell for each column.
    pub fn row(&mut self, cells: impl Into<Vec<String>>) {
        let row: Vec<String> = cells.into().iter().map(|cell| printable(cell)).collect();
        self.columns.measure(&row);
        self.rows.push(row);
    }

    /// The text, or `empty` and a newline where there are no rows.
    pub fn text(&self, empty: &str) -> String {
        if self.rows.is_empty() {
            return format!("{empty}\n");
        }
        let mut text = self.columns.headings();
        self.rows.iter().for_each(|row| text.push_str(&self.columns.line(row)));
        text
    }
}

/// Terminal columns of a text, as `indicatif`'s console counts them.
fn columns_of(text: &str) -> usize {
    text.chars().count()
}

/// `name  value` lines with the values in one column.
pub fn fields(fields: &[(&str, String)]) -> String {
    let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    fields.iter().map(|(name, value)| format!("{name:width$}  {}\n", printable(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new([("NAME", Side::Left), ("SIZE", Side::Right), ("", Side::Left)]);
        assert_eq!(table.text("nothing"), "nothing\n");
        table.row(["ä".to_string(), "12 B".to_string(), String::new()]);
        table.row(["longer".to_string(), "1.0 KiB".to_string(), "x".to_string()]);
        assert_eq!(table.text(""), "NAME       SIZE\nä          12 B\nlonger  1.0 KiB  x\n");
    }

    #[test]
    fn a_name_cannot_move_the_cursor() {
        assert_eq!(printable("a\x1b[2Jb\nc\u{202e}d"), "a\\u{1b}[2Jb\\nc\\u{202e}d");
        assert_eq!(printable("Größe ✓"), "Größe ✓");
    }
}
