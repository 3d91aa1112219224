//! The terminal while the view is on it, and the time that passes.
//!
//! Looking waits for others, so it has a thread of its own: keys are heard at once, whoever does not answer.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event};
use ratatui::crossterm::execute;
use ratatui::crossterm::style::force_color_output;
use ratatui::crossterm::terminal::{EnterAlternateScreen, enable_raw_mode};
use rustix::process::{Signal, kill_current_process_group};
use signal_hook::consts::SIGCONT;

use super::keys::wish;
use super::look::Looker;
use super::model::{Effect, Model};
use super::records::Look;
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
    let is_continued = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGCONT, Arc::clone(&is_continued))?;
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
        let shown = show(&mut terminal, interval, &interrupt, &is_continued, &looks, &orders);
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
    is_continued: &AtomicBool,
    looks: &Receiver<Look>,
    orders: &Sender<Order>,
) -> Result<End, Failure> {
    let mut model = Model::default();
    draw(terminal, &model, interval)?;
    while !interrupt.is_caught() {
        // Whoever had it stopped has written to the terminal meanwhile, and set it for lines.
        let mut has_changed = is_continued.swap(false, Ordering::Relaxed);
        if has_changed {
            take_again(terminal)?;
        }
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
            let is_going_on = match wish.and_then(|wish| model.handle(wish)) {
                None => true,
                Some(Effect::Quit) => false,
                Some(Effect::Suspend) => {
                    suspend(terminal)?;
                    true
                }
                Some(Effect::LookInto(group)) => orders.send(Order::LookInto(group)).is_ok(),
                Some(Effect::Pause(is_paused)) => orders.send(Order::Pause(is_paused)).is_ok(),
            };
            if !is_going_on {
                break;
            }
        }
        if has_changed {
            draw(terminal, &model, interval)?;
        }
    }
    Ok(End::Wanted)
}

/// Gives the terminal to the shell, stops until the shell has it go on, and takes the terminal again.
fn suspend(terminal: &mut DefaultTerminal) -> Result<(), Failure> {
    terminal.show_cursor()?;
    ratatui::try_restore()?;
    // As the terminal does it: whatever was started along with us stops, too. The kernel gives this thread, which
    // is the first one, the signal before it returns; where no shell could have us go on, it does nothing.
    kill_current_process_group(Signal::TSTP)?;
    take_again(terminal)
}

/// Takes the terminal as it was, and draws all of it.
fn take_again(terminal: &mut DefaultTerminal) -> Result<(), Failure> {
    enable_raw_mode()?;
    execute!(io::stdout(), EnterAlternateScreen)?;
    Ok(terminal.clear()?)
}

fn draw(terminal: &mut DefaultTerminal, model: &Model, interval: Duration) -> Result<(), Failure> {
    terminal.draw(|frame| view::draw(frame, model, interval))?;
    Ok(())
}
