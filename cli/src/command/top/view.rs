//! The model as it is drawn. Whatever comes of others is safe for a terminal already.
//!
//! What matters least goes first where there is little room: the selected row's details, the other groups,
//! columns that can be seen elsewhere.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Cell, Paragraph, Row, Table, TableState, Wrap};

use super::keys::HELP;
use super::model::{MemberOrder, Model, Pane, Rates, ZoneOrder};
use super::records::{ByKind, Chosen, Counters, Group, Member, Zone, Zones};
use crate::clock::age;

const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
const SELECTED: Style = Style::new().add_modifier(Modifier::REVERSED);
const WRONG: Style = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);

/// How many groups are listed at most.
const MAX_GROUPS: usize = 5;
/// How many lines the details of the selected row take.
const DETAIL_LINES: u16 = 5;

/// Draws all of it.
pub(super) fn draw(frame: &mut Frame<'_>, model: &Model, interval: Duration) {
    let height = frame.area().height;
    let count = model.look.as_ref().map_or(0, |look| look.groups.len());
    let lines = |least: u16, lines: u16| if height >= least { lines } else { 0 };
    let group_lines = u16::try_from(count.min(MAX_GROUPS) + 2).unwrap_or(0);
    let parts = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(if count > 0 { lines(14, group_lines) } else { 0 }),
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(lines(20, DETAIL_LINES)),
        Constraint::Length(lines(8, 1)),
        Constraint::Length(lines(6, 1)),
    ]);
    let [title, groups, heading, body, detail, zones, keys] = parts.areas(frame.area());
    frame.render_widget(self::title(model, interval), title);
    frame.render_widget(Line::from("q quit  Tab group  z zones  s sort  p pause  h help"), keys);
    if model.is_helping {
        let lines = HELP.map(|(keys, what)| Line::from(format!("{keys:<18}{what}")));
        frame.render_widget(Line::styled("Keys", BOLD), heading);
        frame.render_widget(Paragraph::new(lines.to_vec()), body);
        return;
    }
    draw_groups(frame, model, groups);
    let Some(chosen) = model.chosen() else {
        let text = match &model.look {
            None => "looking...".to_owned(),
            Some(look) => {
                format!("There is no group{}. One shows as soon as its primary runs.", look.proviso)
            }
        };
        frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), body);
        return;
    };
    frame.render_widget(self::heading(model, chosen), heading);
    match model.pane {
        Pane::Members => draw_members(frame, model, body),
        Pane::Zones => draw_zones(frame, model, chosen, body),
    }
    frame.render_widget(self::detail(model), detail);
    frame.render_widget(zone_summary(chosen), zones);
}

fn title(model: &Model, interval: Duration) -> Line<'static> {
    let groups = match model.look.as_ref().map_or(0, |look| look.groups.len()) {
        1 => "1 group".to_owned(),
        count => format!("{count} groups"),
    };
    let interval = humantime::format_duration(interval);
    let mut line = Line::styled(format!("rte-mp top  {groups}, every {interval}"), BOLD);
    if model.is_paused {
        line.push_span(Span::styled("  PAUSED", WRONG));
    }
    line
}

fn draw_groups(frame: &mut Frame<'_>, model: &Model, area: Rect) {
    let Some(look) = &model.look else { return };
    let chosen = model.chosen().map(|chosen| &chosen.path);
    let selected = look.groups.iter().position(|group| Some(&group.path) == chosen);
    let header = ["GROUP", "KIND", "STATE", "PRIMARY", "MEMBERS", "STALE", "DIRECTORY"];
    let widths = [16, 13, 9, 8, 7, 5].map(Constraint::Length).into_iter();
    let table = Table::new(look.groups.iter().map(group_row), widths.chain([Constraint::Fill(1)]));
    let table = table.header(Row::new(header).style(BOLD)).row_highlight_style(SELECTED);
    let mut state = TableState::default().with_selected(selected);
    frame.render_stateful_widget(table, area, &mut state);
}

fn group_row(group: &Group) -> Row<'static> {
    let primary = group.primary_pid.map_or_else(dash, |pid| pid.to_string());
    let state = if group.state == "live" { Style::new() } else { WRONG };
    let stale = if group.stale_count == 0 { Style::new() } else { WRONG };
    Row::new([
        Cell::from(group.file_prefix.clone()),
        Cell::from(group.kind_and_release()),
        Cell::from(Span::styled(group.state, state)),
        right(primary),
        right(group.member_count.to_string()),
        right(group.stale_count.to_string()).style(stale),
        Cell::from(group.directory.clone()),
    ])
}

/// Says what the list is, and why there is less of it than there could be.
fn heading(model: &Model, chosen: &Chosen) -> Line<'static> {
    let prefix = &chosen.file_prefix;
    let (what, order) = match (model.pane, model.member_order, model.zone_order) {
        (Pane::Members, MemberOrder::Pid, _) => ("Members", "process id"),
        (Pane::Members, MemberOrder::Rate, _) => ("Members", "rate"),
        (Pane::Members, MemberOrder::Drops, _) => ("Members", "drops"),
        (Pane::Members, MemberOrder::Age, _) => ("Members", "age"),
        (Pane::Zones, _, ZoneOrder::Length) => ("Zones", "length"),
        (Pane::Zones, _, ZoneOrder::Name) => ("Zones", "name"),
        (Pane::Zones, _, ZoneOrder::Address) => ("Zones", "address"),
    };
    let mut line = Line::styled(format!("{what} of {prefix}, by {order}"), BOLD);
    if let Some(error) = &chosen.error {
        line.push_span(Span::styled(format!("  not joined: {error}"), WRONG));
    }
    line
}

/// A column of the members: its title, how wide it is, from which width of the whole on it is there, and what
/// stands in it.
type Column = (&'static str, u16, u16, fn(&Member, Option<Rates>) -> Cell<'static>);

const COLUMNS: [Column; 8] = [
    ("    PID", 7, 0, |member, _| right(member.pid.map_or_else(dash, |pid| pid.to_string()))),
    ("ROLE", 9, 56, |member, _| Cell::from(member.role)),
    ("NATURE", 7, 72, |member, _| Cell::from(member.nature.word())),
    ("STATE", 9, 0, |member, _| state(member)),
    ("    AGE", 7, 64, |member, _| right(member.age_ns.map_or_else(dash, age))),
    (" SENT/s", 7, 30, |_, rates| right(rates.map_or_else(dash, |rates| rate(rates.sent)))),
    (" RECV/s", 7, 30, |_, rates| right(rates.map_or_else(dash, |rates| rate(rates.received)))),
    ("  DROPS", 7, 48, drops),
];

fn draw_members(frame: &mut Frame<'_>, model: &Model, area: Rect) {
    let columns: Vec<_> =
        COLUMNS.into_iter().filter(|(_, _, least, _)| area.width >= *least).collect();
    let rows = model.members().into_iter().map(|member| {
        let cells = columns.iter().map(|(.., cell)| cell(member, model.rates(member)));
        let command = member.command.as_deref().map_or_else(dash, without_directory);
        Row::new(cells.chain([Cell::from(command)]))
    });
    let widths = columns.iter().map(|(_, width, ..)| Constraint::Length(*width));
    let titles = columns.iter().map(|(title, ..)| *title).chain(["COMMAND"]);
    let table = Table::new(rows, widths.chain([Constraint::Fill(1)]));
    draw_table(frame, model, table.header(Row::new(titles).style(BOLD)), area);
}

fn draw_zones(frame: &mut Frame<'_>, model: &Model, chosen: &Chosen, area: Rect) {
    if let Some(error) = &chosen.zones_error {
        frame.render_widget(Paragraph::new(error.as_str()).wrap(Wrap { trim: true }), area);
        return;
    }
    let row = |zone: &Zone| {
        let (len, address) = (zone.len.to_string(), format!("{:#x}", zone.address));
        Row::new([Cell::from(zone.name.clone()), right(len), right(address)])
    };
    let rows = model.zones().into_iter().map(row);
    let table =
        Table::new(rows, [Constraint::Length(31), Constraint::Length(14), Constraint::Length(18)]);
    let header =
        Row::new([Cell::from("NAME"), right("LENGTH".to_owned()), right("ADDRESS".to_owned())]);
    draw_table(frame, model, table.header(header.style(BOLD)), area);
}

fn draw_table(frame: &mut Frame<'_>, model: &Model, table: Table<'_>, area: Rect) {
    let mut state = TableState::default().with_selected(model.selected());
    frame.render_stateful_widget(table.row_highlight_style(SELECTED), area, &mut state);
}

/// What is the matter with a member, in one word.
fn state(member: &Member) -> Cell<'static> {
    match (member.state, member.queue, &member.error) {
        ("alive", Some("full"), _) => Cell::from("full").style(WRONG),
        ("alive", _, Some(_)) => Cell::from("silent").style(WRONG),
        ("alive", Some("waiting"), None) => Cell::from("waiting"),
        ("alive", _, None) => Cell::from("alive"),
        (other, _, _) => Cell::from(other).style(WRONG),
    }
}

fn drops(member: &Member, rates: Option<Rates>) -> Cell<'static> {
    let is_dropping = rates.is_some_and(|rates| rates.dropped > 0.0);
    let total = member.counters.map(|counters| counters.dropped.total().to_string());
    let cell = right(total.unwrap_or_else(dash));
    if is_dropping { cell.style(WRONG) } else { cell }
}

/// All that is known of the selected row.
fn detail(model: &Model) -> Paragraph<'static> {
    let Some(row) = model.selected() else { return Paragraph::default() };
    let mut lines = vec![Line::default()];
    match model.pane {
        Pane::Members => lines.extend(member_detail(model.members()[row])),
        Pane::Zones => {
            let zone = model.zones()[row];
            lines.push(Line::styled(zone.name.clone(), BOLD));
            lines.push(Line::from(format!("{} bytes ({})", zone.len, size(zone.len))));
            lines.push(Line::from(format!("at {:#x} in the primary", zone.address)));
        }
    }
    Paragraph::new(lines)
}

fn member_detail(member: &Member) -> Vec<Line<'static>> {
    let mut lines = vec![
        Line::styled(member.socket.clone(), BOLD),
        Line::from(member.command.clone().unwrap_or_else(dash)),
    ];
    match (&member.counters, &member.error) {
        (Some(counters), _) => lines.extend(counter_lines(counters)),
        (None, Some(error)) => lines.push(Line::styled(error.clone(), WRONG)),
        (None, None) => {
            lines.push(Line::from("not asked for its counters: only rte-mp processes answer"));
        }
    }
    lines
}

fn counter_lines(counters: &Counters) -> [Line<'static>; 2] {
    let by_kind = |count: &ByKind| {
        let ByKind { messages, requests, replies, ignores } = count;
        format!("{messages} messages, {requests} requests, {replies} replies, {ignores} ignores")
    };
    let (sent, received) = (by_kind(&counters.sent), by_kind(&counters.received));
    let reasons = counters.dropped.reasons().into_iter().filter(|(_, count)| *count > 0);
    let reasons: Vec<_> = reasons.map(|(reason, count)| format!("{count} {reason}")).collect();
    let dropped = match reasons.is_empty() {
        true => String::new(),
        false => format!("; dropped {}", reasons.join(", ")),
    };
    [Line::from(format!("sent {sent}")), Line::from(format!("received {received}{dropped}"))]
}

fn zone_summary(chosen: &Chosen) -> Line<'static> {
    match (&chosen.zones, &chosen.zones_error) {
        (Some(Zones { count: 0, .. }), _) => Line::from("Zones: none"),
        (Some(Zones { count, len, largest, .. }), _) => {
            let largest = largest.iter().take(3);
            let largest: Vec<_> =
                largest.map(|zone| format!("{} {}", zone.name, size(zone.len))).collect();
            Line::from(format!("Zones: {count}, {}: {}", size(*len), largest.join(", ")))
        }
        (None, Some(error)) => Line::styled(format!("Zones: {error}"), WRONG),
        (None, None) => Line::default(),
    }
}

/// Leaves out where a program lies: there is little room.
fn without_directory(command: &str) -> String {
    let program = command.split(' ').next().unwrap_or_default();
    let directory = program.rfind('/').map_or(0, |slash| slash + 1);
    command[directory..].to_owned()
}

fn right(text: String) -> Cell<'static> {
    Cell::from(Text::from(text).right_aligned())
}

/// What stands where nothing is known.
pub(super) fn dash() -> String {
    "-".to_owned()
}

/// A length in the unit that makes it short.
pub(super) fn size(len: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match UNITS.iter().find(|(unit, _)| len >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", len as f64 / *unit as f64),
        None => format!("{len} bytes"),
    }
}

/// A rate in seven columns at most.
fn rate(rate: f64) -> String {
    match rate {
        rate if rate >= 1e6 => format!("{:.1}M", rate / 1e6),
        rate if rate >= 1e5 => format!("{:.0}k", rate / 1e3),
        rate if rate >= 10.0 || rate == 0.0 => format!("{rate:.0}"),
        rate => format!("{rate:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use insta::assert_snapshot;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::super::keys::Wish;
    use super::super::model::tests::{look, member};
    use super::*;

    /// Draws on a screen of this size.
    fn drawn(model: &Model, width: u16, height: u16) -> Terminal<TestBackend> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, model, Duration::from_secs(1))).unwrap();
        terminal
    }

    /// A group of a DPDK primary, of rte-mp processes that talk, are silent or have left, after two looks.
    fn busy() -> Model {
        let (mut model, start) = (Model::default(), Instant::now());
        for (second, said) in [(0, 0), (2, 2460)] {
            let mut silent = member("secondary", 3300, None);
            silent.nature = crate::nature::Nature::RteMp;
            silent.error = Some("mp_socket_3300_0 did not answer rte-mp/stats in time".to_owned());
            let mut stale = member("secondary", 99, None);
            (stale.state, stale.queue, stale.command) = ("stale", None, None);
            let members = vec![
                member("primary", 10, None),
                member("secondary", 2200, Some(said)),
                silent,
                stale,
            ];
            model.take(look(start + Duration::from_secs(second), members));
        }
        model
    }

    #[test]
    fn a_group_is_drawn_with_its_members_rates_and_zones() {
        let mut model = busy();
        model.handle(Wish::Down);
        model.handle(Wish::Down);
        assert_snapshot!("members_80x24", drawn(&model, 80, 24).backend());
        assert_snapshot!("members_120x30", drawn(&model, 120, 30).backend());
    }

    #[test]
    fn on_a_small_screen_the_most_important_is_left() {
        let model = busy();
        for (width, height) in [(50, 12), (28, 6)] {
            let name = format!("members_{width}x{height}");
            assert_snapshot!(name, drawn(&model, width, height).backend());
        }
        for (width, height) in [(1, 1), (80, 1), (1, 24), (3, 3), (300, 100)] {
            drawn(&model, width, height);
        }
    }

    #[test]
    fn zones_and_help_take_the_place_of_the_members() {
        let mut model = busy();
        model.handle(Wish::Zones);
        assert_snapshot!("zones", drawn(&model, 80, 24).backend());
        model.handle(Wish::Help);
        model.handle(Wish::Pause);
        assert_snapshot!("help", drawn(&model, 80, 24).backend());
    }

    #[test]
    fn a_group_without_zones_has_none() {
        let (mut model, mut empty) = (Model::default(), look(Instant::now(), Vec::new()));
        if let Some(chosen) = &mut empty.chosen {
            chosen.zones = Some(Zones::new(Vec::new()));
        }
        model.take(empty);
        let screen = drawn(&model, 80, 24).backend().to_string();
        assert!(screen.contains("\"Zones: none  "), "{screen}");
    }

    #[test]
    fn what_could_not_be_had_is_told() {
        let mut model = Model::default();
        assert_snapshot!("first", drawn(&model, 60, 6).backend());
        let mut nothing = look(Instant::now(), Vec::new());
        (nothing.chosen, nothing.groups) = (None, Vec::new());
        model.take(nothing);
        assert_snapshot!("nothing", drawn(&model, 60, 6).backend());
        let mut closed = look(Instant::now(), vec![member("primary", 10, None)]);
        if let Some(chosen) = &mut closed.chosen {
            chosen.error = Some("DPDK 30.11 is not known".to_owned());
            chosen.zones = None;
        }
        model.take(closed);
        assert_snapshot!("closed", drawn(&model, 80, 12).backend());
    }

    #[test]
    fn the_selected_row_is_always_on_the_screen() {
        let mut model = Model::default();
        let members = (1..100).map(|pid| member("secondary", pid, Some(1))).collect();
        model.take(look(Instant::now(), members));
        let shows = |model: &Model, pid: &str| {
            drawn(model, 80, 16).backend().to_string().contains(&format!("{pid:>7} secondary"))
        };
        assert!(shows(&model, "1") && !shows(&model, "99"));
        model.handle(Wish::Last);
        assert!(shows(&model, "99") && !shows(&model, "1"));
    }

    #[test]
    fn what_is_wrong_is_seen_without_colours_too() {
        let screen = drawn(&busy(), 80, 24).backend().to_string();
        for word in ["silent", "stale"] {
            assert!(screen.contains(word), "{word} is missing:\n{screen}");
        }
    }

    #[test]
    fn a_command_is_shown_by_the_name_of_its_program() {
        let cases = [
            ("/usr/bin/dpdk-testpmd -l 0-1 --vdev=a/b", "dpdk-testpmd -l 0-1 --vdev=a/b"),
            ("app a/b", "app a/b"),
            ("[kernel]", "[kernel]"),
            ("", ""),
        ];
        for (command, expected) in cases {
            assert_eq!(without_directory(command), expected);
        }
    }

    #[test]
    fn numbers_are_short() {
        let rates = [0.0, 0.26, 9.94, 10.4, 99_999.0, 123_456.0, 12_345_678.0].map(rate);
        assert_eq!(rates, ["0", "0.3", "9.9", "10", "99999", "123k", "12.3M"]);
        assert_eq!(
            [64, 1 << 10, 5 << 20, 3 << 29].map(size),
            ["64 bytes", "1.0 KiB", "5.0 MiB", "1.5 GiB"]
        );
    }
}
