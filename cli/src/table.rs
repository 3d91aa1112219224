//! Tables for people: aligned columns without borders.

use comfy_table::{CellAlignment, Table, presets};

/// Lays rows out below a header, two blanks between the columns, each line behind `indent`. Columns whose
/// header begins with a blank hold numbers, and stand at the right.
pub(crate) fn table<const N: usize>(
    indent: &str,
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.map(str::trim_start));
    table.add_rows(rows);
    for (column, name) in table.column_iter_mut().zip(header) {
        column.set_padding((0, 2));
        if name.starts_with(' ') {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines = table.lines().map(|line| format!("{indent}{}", line.trim_end()));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_need_and_lines_end_with_their_text() {
        let row = |words: [&str; 3]| words.map(str::to_owned);
        let rows = [row(["7", "primary", "mp_socket"]), row(["12345", "-", ""])];
        let shown = table("  ", [" PID", "ROLE", "SOCKET"], rows);
        assert_eq!(
            shown.lines().collect::<Vec<_>>(),
            ["    PID  ROLE     SOCKET", "      7  primary  mp_socket", "  12345  -",]
        );
    }
}
