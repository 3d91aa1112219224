//! What keys mean.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// What the user wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Quit,
    /// Leave the help, or else quit.
    Back,
    /// Give the terminal to the shell until `fg`.
    Suspend,
    Up,
    Down,
    First,
    Last,
    NextGroup,
    PreviousGroup,
    Zones,
    Sort,
    Pause,
    Help,
}

/// What `h` shows: keys, and what they do.
pub(super) const HELP: [(&str, &str); 9] = [
    ("q, Esc, Ctrl-C", "quit"),
    ("Ctrl-Z", "go back to the shell, until `fg`"),
    ("up, k / down, j", "choose the row above or below"),
    ("Home, g / End, G", "choose the first or last row"),
    ("Tab / Shift-Tab", "look into the next or previous group"),
    ("z", "show its zones, or its members again"),
    ("s", "sort by the next column"),
    ("p, blank", "pause, or go on"),
    ("h, ?", "show this, or the groups again"),
];

/// Tells what a key means; nothing for most.
pub(super) fn wish(key: KeyEvent) -> Option<Wish> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c') => Some(Wish::Quit),
            KeyCode::Char('z') => Some(Wish::Suspend),
            _ => None,
        };
    }
    match key.code {
        KeyCode::Char('q') => Some(Wish::Quit),
        KeyCode::Esc => Some(Wish::Back),
        KeyCode::Up | KeyCode::Char('k') => Some(Wish::Up),
        KeyCode::Down | KeyCode::Char('j') => Some(Wish::Down),
        KeyCode::Home | KeyCode::Char('g') => Some(Wish::First),
        KeyCode::End | KeyCode::Char('G') => Some(Wish::Last),
        KeyCode::Tab => Some(Wish::NextGroup),
        KeyCode::BackTab => Some(Wish::PreviousGroup),
        KeyCode::Char('z') => Some(Wish::Zones),
        KeyCode::Char('s') => Some(Wish::Sort),
        KeyCode::Char('p' | ' ') => Some(Wish::Pause),
        KeyCode::Char('h' | '?') => Some(Wish::Help),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_mean_what_the_help_says() {
        let plain = |code| wish(KeyEvent::new(code, KeyModifiers::NONE));
        let control = |letter| wish(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL));
        assert_eq!(control('c'), Some(Wish::Quit));
        assert_eq!(control('z'), Some(Wish::Suspend), "it is no z");
        assert_eq!(control('s'), None, "it is no s");
        let cases = [
            (KeyCode::Char('q'), Some(Wish::Quit)),
            (KeyCode::Esc, Some(Wish::Back)),
            (KeyCode::Up, Some(Wish::Up)),
            (KeyCode::Char('j'), Some(Wish::Down)),
            (KeyCode::Char('g'), Some(Wish::First)),
            (KeyCode::End, Some(Wish::Last)),
            (KeyCode::Tab, Some(Wish::NextGroup)),
            (KeyCode::BackTab, Some(Wish::PreviousGroup)),
            (KeyCode::Char('z'), Some(Wish::Zones)),
            (KeyCode::Char('s'), Some(Wish::Sort)),
            (KeyCode::Char(' '), Some(Wish::Pause)),
            (KeyCode::Char('?'), Some(Wish::Help)),
            (KeyCode::Char('x'), None),
            (KeyCode::F(1), None),
        ];
        for (code, expected) in cases {
            assert_eq!(plain(code), expected, "{code:?}");
        }
        let mut released = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE);
        released.kind = KeyEventKind::Release;
        assert_eq!(wish(released), None);
    }
}
