//! The terminal while the view is on it, and the time that passes.
//!
//! Looking waits for others, so it has a thread of its own: keys are heard at once, whoever does not answer.

use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event};
use ratatui::crossterm::style::force_color_output;

use super::keys::{Wish, wish};
use super::look::Looker;
use super::model::{Effect, Model};
use super::record::Look;
use super::view;
use crate::args::{Color, Common};
use crate::interrupt::Interrupt;
use crate::status::{Failure, Status};

/// How soon a look that has come, or a signal, is seen.
const TICK: Duration = Duration::from_millis(50);
/// The longest that is waited for one member.
const PATIENCE: Duration = Duration::from_millis(500);

/// What the thread that looks is told.
enum Order {
    LookInto(PathBuf),
    Pause(bool),
}

/// Shows the view until the user has seen enough, and gives the terminal back as it was.
pub(super) fn run(interval: Duration, common: &Common) -> Result<Status, Failure> {
    let interrupt = Interrupt::catch()?;
    match common.color {
        // $NO_COLOR is heeded.
        Color::Auto => {}
        Color::Always => force_color_output(true),
        Color::Never => force_color_output(false),
    }
    let give_back = GiveBack;
    // Before the other thread is there, so that a panic of it gives the terminal back, too.
    let mut terminal = ratatui::try_init()?;
    let (sender, looks) = mpsc::channel();
    let (orders, heard) = mpsc::channel();
    thread::scope(|scope| {
        let looking = scope.spawn(move || look_again_and_again(interval, common, &heard, &sender));
        let shown = show(&mut terminal, interval, &interrupt, &looks, &orders);
        match shown {
            // That was done, and its message written, which doing it again would write over.
            Ok(End::Panic) => std::mem::forget(give_back),
            Ok(End::Wanted) | Err(_) => drop(give_back),
        }
        // It leaves the group and ends.
        drop((orders, looks));
        match looking.join() {
            Ok(()) => shown.map(|_| Status::Done),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

fn look_again_and_again(
    interval: Duration,
    common: &Common,
    orders: &Receiver<Order>,
    looks: &Sender<Look>,
) {
    let mut looker = Looker::new(common, PATIENCE);
    let (mut wanted, mut is_paused) = (None, false);
    let mut due = Some(Instant::now());
    loop {
        let left = match due {
            Some(due) if !is_paused => due.saturating_duration_since(Instant::now()),
            // Only an order has it look again.
            Some(_) | None => Duration::MAX,
        };
        match orders.recv_timeout(left) {
            Ok(Order::LookInto(directory)) => wanted = Some(directory),
            Ok(Order::Pause(pause)) => {
                is_paused = pause;
                continue;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let look = looker.look(wanted.as_deref());
        // After the look and not by the clock: one that takes long is not followed by another at once.
        due = look.taken.checked_add(interval);
        if looks.send(look).is_err() {
            return;
        }
    }
}

/// Gives the terminal back, however the view ends; a panic has done that already.
struct GiveBack;

impl Drop for GiveBack {
    fn drop(&mut self) {
        if !thread::panicking() {
            // There is nobody left to tell.
            let _ = ratatui::try_restore();
        }
    }
}

/// Why the view is not shown any more.
enum End {
    Wanted,
    /// The thread that looks has panicked.
    Panic,
}

fn show(
    terminal: &mut DefaultTerminal,
    interval: Duration,
    interrupt: &Interrupt,
    looks: &Receiver<Look>,
    orders: &Sender<Order>,
) -> Result<End, Failure> {
    let mut model = Model::default();
    draw(terminal, &model, interval)?;
    while !interrupt.is_caught() {
        let mut has_changed = false;
        loop {
            match looks.try_recv() {
                Ok(look) => model.take(look),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Ok(End::Panic),
            }
            has_changed = true;
        }
        if event::poll(if has_changed { Duration::ZERO } else { TICK })? {
            has_changed = true;
            let wish = match event::read()? {
                Event::Key(key) => wish(key),
                _ => None,
            };
            if !obey(wish, &mut model, orders) {
                break;
            }
        }
        if has_changed {
            draw(terminal, &model, interval)?;
        }
    }
    Ok(End::Wanted)
}

/// Does what the user wants, and tells whether to go on.
fn obey(wish: Option<Wish>, model: &mut Model, orders: &Sender<Order>) -> bool {
    let order = match wish.and_then(|wish| model.handle(wish)) {
        None => return true,
        Some(Effect::Quit) => return false,
        Some(Effect::LookInto(directory)) => Order::LookInto(directory),
        Some(Effect::Pause(is_paused)) => Order::Pause(is_paused),
    };
    orders.send(order).is_ok()
}

fn draw(terminal: &mut DefaultTerminal, model: &Model, interval: Duration) -> Result<(), Failure> {
    terminal.draw(|frame| view::draw(frame, model, interval))?;
    Ok(())
}
