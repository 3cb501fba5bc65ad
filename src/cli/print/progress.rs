//! A bar on standard error while something long goes on. Silent unless that is a terminal.

use indicatif::ProgressBar;
use indicatif::ProgressStyle;

/// A bar that vanishes when it is dropped.
pub(crate) struct Bar(ProgressBar);

impl Bar {
    /// A bar over bytes; its length is known once work has begun.
    pub(crate) fn bytes(what: &'static str) -> Self {
        let bar = Self::styled("{msg} {wide_bar:.cyan/dim} {bytes}/{total_bytes} {eta:>4}");
        bar.0.set_message(what);
        bar
    }

    /// A bar over things done one after the other, of which each is named.
    pub(crate) fn items(total: usize) -> Self {
        let bar = Self::styled("{wide_msg} {pos}/{len}");
        bar.0.set_length(total as u64);
        bar
    }

    fn styled(template: &str) -> Self {
        let bar = ProgressBar::new(0); // hidden by itself where there is no terminal
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// Shows that `done` of `total` bytes are done.
    pub(crate) fn show(&self, done: u64, total: u64) {
        self.0.set_length(total);
        self.0.set_position(done);
    }

    /// Shows that the thing named is being done, and begins the next count.
    pub(crate) fn item(&self, done: usize, name: &str) {
        self.0.set_position(done as u64);
        self.0.set_message(super::escape(name).into_owned());
        self.0.tick();
    }

    /// Runs `print` with the bar out of the way.
    pub(crate) fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        self.0.suspend(print)
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
