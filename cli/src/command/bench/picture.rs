//! The percentiles of the round trips as a picture: SVG, written by hand, since it is some lines only.
//!
//! Both axes are logarithmic: to the right each step has a tenth of what the one before has left, so that
//! the rare slow ones are as broad as all others; upwards each step is ten times as long.

use std::fmt::{self, Write as _};
use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use tempfile::NamedTempFile;

use super::series::Series;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 480.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 230.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 60.0;
/// How many points a line has for each step to the right.
const FINENESS: u32 = 20;
/// The steps to the right that any picture has: up to 99 %.
const LEAST_STEPS: u32 = 2;
/// Told apart by people who see colours otherwise, too (Okabe and Ito).
const COLOURS: [&str; 7] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];

/// One contender.
pub(super) struct Line<'a> {
    pub(super) name: String,
    pub(super) times: &'a Series,
}

/// Writes the picture to `file`, which then takes the place of `path`.
///
/// # Errors
/// The kernel's.
pub(super) fn write(mut file: NamedTempFile, path: &Path, lines: &[Line]) -> io::Result<()> {
    let picture = picture(lines).map_err(io::Error::other)?;
    file.write_all(picture.as_bytes())?;
    // A file that is made to be moved is for its owner only.
    file.as_file().set_permissions(Permissions::from_mode(0o644))?;
    file.persist(path)?;
    Ok(())
}

/// Where things are.
struct Frame {
    /// How many steps there are to the right.
    steps: u32,
    /// The powers of ten of nanoseconds at the bottom and at the top.
    from: i32,
    to: i32,
}

impl Frame {
    fn around(lines: &[Line]) -> Self {
        let measured = lines.iter().filter(|line| line.times.count() > 0);
        let most = measured.clone().map(|line| line.times.count()).max().unwrap_or(1);
        let least = measured.clone().filter_map(|line| line.times.quantile(0.0)).min().unwrap_or(1);
        let longest = measured.filter_map(|line| line.times.max()).max().unwrap_or(1);
        let from = (least as f64).log10().floor() as i32;
        // Of the last step to the right at least one round trip is left.
        let steps = (most as f64).log10().ceil() as u32;
        Self {
            steps: steps.max(LEAST_STEPS),
            from,
            to: ((longest as f64).log10().ceil() as i32).max(from + 1),
        }
    }

    fn x(&self, step: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * step / f64::from(self.steps)
    }

    fn y(&self, nanoseconds: f64) -> f64 {
        let part = (nanoseconds.log10() - f64::from(self.from)) / f64::from(self.to - self.from);
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * part
    }
}

fn picture(lines: &[Line]) -> Result<String, fmt::Error> {
    let frame = Frame::around(lines);
    let mut svg = String::new();
    writeln!(svg, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    writeln!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="13">"#
    )?;
    writeln!(svg, "<title>Round trips by percentile</title>")?;
    writeln!(svg, r#"<rect width="100%" height="100%" fill="white"/>"#)?;
    let middle = (LEFT + WIDTH - RIGHT) / 2.0;
    text(
        &mut svg,
        middle,
        28.0,
        r#"text-anchor="middle" font-size="16""#,
        "Round trips by percentile",
    )?;
    grid(&mut svg, &frame)?;
    for (number, line) in lines.iter().enumerate() {
        draw(&mut svg, &frame, number, line)?;
    }
    writeln!(svg, "</svg>")?;
    Ok(svg)
}

fn grid(svg: &mut String, frame: &Frame) -> fmt::Result {
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    for step in 0..=frame.steps {
        let x = frame.x(step.into());
        segment(svg, (x, TOP), (x, bottom))?;
        text(svg, x, bottom + 18.0, r#"text-anchor="middle""#, &percentile(step))?;
    }
    for power in frame.from..=frame.to {
        let y = frame.y(10_f64.powi(power));
        segment(svg, (LEFT, y), (right, y))?;
        let time = u32::try_from(power)
            .map_or(Duration::ZERO, |power| Duration::from_nanos(10_u64.saturating_pow(power)));
        text(svg, LEFT - 8.0, y + 4.0, r#"text-anchor="end""#, &format!("{time:?}"))?;
    }
    let middle = (LEFT + right) / 2.0;
    text(svg, middle, HEIGHT - 16.0, r#"text-anchor="middle""#, "percentile of the round trips")?;
    let middle = (TOP + bottom) / 2.0;
    let turned = format!(r#"text-anchor="middle" transform="rotate(-90 20 {middle:.1})""#);
    text(svg, 20.0, middle, &turned, "time of a round trip")
}

/// Names the percentile of a step to the right: 0 %, 90 %, 99 %, 99.9 %.
fn percentile(step: u32) -> String {
    match step {
        0 => "0 %".to_owned(),
        1 => "90 %".to_owned(),
        2 => "99 %".to_owned(),
        more => format!("99.{} %", "9".repeat(more as usize - 2)),
    }
}

/// Draws a line, as far to the right as it has round trips, and its entry in the legend.
fn draw(svg: &mut String, frame: &Frame, number: usize, line: &Line) -> fmt::Result {
    let colour = COLOURS[number % COLOURS.len()];
    // Beyond as many lines as there are colours, they are dashed.
    let dashes = match number / COLOURS.len() {
        0 => String::new(),
        times => format!(r#" stroke-dasharray="{} 3""#, 4 * times),
    };
    let stroke = format!(r#"fill="none" stroke="{colour}" stroke-width="2"{dashes}"#);
    let reach = (line.times.count() as f64).log10();
    let mut points = String::new();
    for point in 0..=frame.steps * FINENESS {
        let step = (f64::from(point) / f64::from(FINENESS)).min(reach.max(0.0));
        let part = 1.0 - 10_f64.powf(-step);
        let Some(time) = line.times.quantile(part) else {
            break;
        };
        write!(points, "{:.1},{:.1} ", frame.x(step), frame.y(time as f64))?;
        if step >= reach {
            break;
        }
    }
    writeln!(svg, r#"<polyline {stroke} points="{}"/>"#, points.trim_end())?;

    let (x, y) = (WIDTH - RIGHT + 20.0, TOP + 12.0 + 22.0 * number as f64);
    writeln!(svg, r#"<path {stroke} d="M{x:.1} {y:.1} h24"/>"#)?;
    text(svg, x + 32.0, y + 4.0, "", &line.name)
}

fn segment(svg: &mut String, from: (f64, f64), to: (f64, f64)) -> fmt::Result {
    writeln!(
        svg,
        r##"<line x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}" stroke="#dddddd"/>"##,
        from.0, from.1, to.0, to.1
    )
}

fn text(svg: &mut String, x: f64, y: f64, attributes: &str, text: &str) -> fmt::Result {
    writeln!(svg, r#"<text x="{x:.1}" y="{y:.1}" {attributes}>{}</text>"#, Xml(text))
}

/// A text in which nothing is taken for markup.
struct Xml<'a>(&'a str);

impl fmt::Display for Xml<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|letter| match letter {
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '&' => f.write_str("&amp;"),
            '"' => f.write_str("&quot;"),
            _ => f.write_char(letter),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(times: impl IntoIterator<Item = u64>) -> Series {
        let mut series = Series::new();
        times.into_iter().for_each(|time| series.add(Duration::from_nanos(time)));
        series.end_round();
        series
    }

    fn points(svg: &str, number: usize) -> Vec<(f64, f64)> {
        let line = svg.lines().filter(|line| line.starts_with("<polyline")).nth(number).unwrap();
        let points = line.split_once("points=\"").unwrap().1.split('"').next().unwrap();
        let pair = |point: &str| {
            let (x, y) = point.split_once(',').unwrap();
            (x.parse().unwrap(), y.parse().unwrap())
        };
        points.split_whitespace().map(pair).collect()
    }

    #[test]
    fn a_line_goes_from_the_fastest_to_the_slowest_as_far_as_it_was_measured() {
        let (many, few) = (series((1..=1000).map(|time| time * 100)), series([1_000_000; 10]));
        let line = |name: &str, times| Line { name: name.to_owned(), times };
        let svg = picture(&[line("many", &many), line("few", &few)]).unwrap();

        let [many, few] = [0, 1].map(|number| points(&svg, number));
        let frame = Frame { steps: 3, from: 2, to: 6 };
        let (left, right) = (frame.x(0.0), frame.x(3.0));
        let is_at = |(x, y): (f64, f64), (to_x, to_y): (f64, f64)| {
            assert!(
                (x - to_x).abs() < 0.2 && (y - to_y).abs() < 0.2,
                "({x}, {y}), ({to_x}, {to_y})"
            );
        };
        is_at(many[0], (left, frame.y(100.0)));
        is_at(*many.last().unwrap(), (right, frame.y(100_000.0)));
        is_at(few[0], (left, frame.y(1_000_000.0)));
        is_at(*few.last().unwrap(), (frame.x(1.0), frame.y(1_000_000.0)));
        assert!(many.is_sorted_by(|before, after| before.0 < after.0 && before.1 >= after.1));
        for (x, y) in many.iter().chain(&few) {
            assert!(
                (left..=right).contains(x) && (TOP..=HEIGHT - BOTTOM).contains(y),
                "({x}, {y})"
            );
        }
        for label in ["0 %", "90 %", "99 %", "99.9 %", "100ns", "1µs", "1ms", "many", "few"] {
            assert!(svg.contains(&format!(">{label}</text>")), "{label} is missing:\n{svg}");
        }
    }

    #[test]
    fn without_a_round_trip_the_picture_is_empty_but_whole() {
        let none = series([]);
        let svg = picture(&[Line { name: "<none> & \"more\"".to_owned(), times: &none }]).unwrap();
        assert_eq!(points(&svg, 0), []);
        assert!(svg.contains(">&lt;none&gt; &amp; &quot;more&quot;</text>"), "{svg}");
        assert!(svg.ends_with("</svg>\n") && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn one_round_trip_is_a_point() {
        let one = series([1]);
        let svg = picture(&[Line { name: "one".to_owned(), times: &one }]).unwrap();
        assert_eq!(points(&svg, 0).len(), 1);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}
